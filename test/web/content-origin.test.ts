/** What the content origin serves, and to whom. The requests set the Host header themselves. */
import { request } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { reportFiles } from '../browser/seed.ts'
import { openServer, type TestServer } from '../http/open-server.ts'

describe('a report on the content origin', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer({ TROVE_CONTENT_URL: 'http://content.localhost' })
    return server.close
  })

  test('serves no pages, no API and no sign-in', async () => {
    for (const path of ['/', '/sign-in', '/octo/app', '/api/v1/artifacts', '/healthz']) {
      const response = await hostRequest(server.url, 'content.localhost', path)
      expect([path, response.status]).toEqual([path, 404])
    }
  })

  test('serves only requests with the signed address, in a sandbox', async () => {
    const id = await server.put('1/report', {
      tar: reportFiles(),
    })
    const response = await server.visit(`/octo/app/actions/runs/1/artifacts/${id}/blob/index.html`)
    const html = await response.text()
    const [, path = ''] = /src="http:\/\/content\.localhost(\/content\/[^"]+)"/.exec(html) ?? []
    const answer = await hostRequest(server.url, 'content.localhost', path)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-security-policy']).toMatch(/^sandbox allow-scripts/)
    expect(answer.headers['content-security-policy']).not.toContain('allow-same-origin')
    expect(answer.headers['set-cookie']).toBeUndefined()
    expect(answer.headers['cache-control']).toBe('private, no-cache')
    const known = { 'if-none-match': String(answer.headers.etag) }
    expect((await hostRequest(server.url, 'content.localhost', path, known)).status).toBe(304)
    const onOurs = await server.send(path, { token: null })
    expect(onOurs.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
    const forged = path.replace(
      /\.([\w-])([\w-]+)\//,
      (_, head: string, rest: string) => `.${head === 'A' ? 'B' : 'A'}${rest}/`,
    )
    expect((await hostRequest(server.url, 'content.localhost', forged)).status).toBe(403)
    const worker = { 'service-worker': 'script' }
    const asWorker = await hostRequest(server.url, 'content.localhost', path, worker)
    expect(asWorker.status).toBe(403)
  })
})

test('a PDF is served for the viewer of the browser, which may have a style', async () => {
  const server = await openServer()
  const id = await server.put('1/paper', { tar: [{ name: 'a.pdf', content: '%PDF-1.4\n' }] })
  const html = await server.page(`/octo/app/actions/runs/1/artifacts/${id}/blob/a.pdf`)
  const [, path = ''] = /src="(\/content\/[^"]+)"/.exec(html) ?? []
  const policy = (await server.send(path, { token: null })).headers.get('content-security-policy')
  expect(policy).toBe("default-src 'none'; style-src 'unsafe-inline'")
})

test('with a host per artifact, no other host of the domain serves anything but the own URL of the server', async () => {
  const server = await openServer({
    TROVE_CONTENT_URL: 'http://*.d.localhost',
    TROVE_PUBLIC_URL: 'http://trove.d.localhost',
  })
  const id = await server.put('1/report', { tar: reportFiles() })
  const html = await server.page(`/octo/app/actions/runs/1/artifacts/${id}/blob/index.html`)
  const [, path = ''] = /src="http:\/\/a\d+\.d\.localhost(\/content\/[^"]+)"/.exec(html) ?? []
  const statusAt = async (host: string, path: string) =>
    (await hostRequest(server.url, host, path)).status
  for (const host of [`a${id}`, 'a9', 'b', 'www', 'x.a1', 'A1', 'trove.x'])
    expect([host, await statusAt(`${host}.d.localhost`, '/healthz')]).toEqual([host, 404])
  for (const host of ['trove.d.localhost', 'Trove.D.localhost', 'd.localhost', 'xd.localhost'])
    expect([host, await statusAt(host, '/healthz')]).toEqual([host, 200])
  expect(await statusAt(`a${id}.d.localhost`, path)).toBe(200)
  for (const host of ['b', `a${id + 1}`, `x.a${id}`])
    expect([host, await statusAt(`${host}.d.localhost`, path)]).toEqual([host, 404])
})

test('a server that does not know its own URL serves pages on every host but those of artifacts', async () => {
  const server = await openServer({ TROVE_CONTENT_URL: 'http://*.d.localhost' })
  const statusAt = async (host: string) =>
    (await hostRequest(server.url, `${host}.d.localhost`, '/healthz')).status
  expect([await statusAt('a9'), await statusAt('trove')]).toEqual([404, 200])
})

/** `fetch` does not allow setting the Host header. */
async function hostRequest(
  origin: string,
  host: string,
  path: string,
  more: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, string | string[] | undefined> }> {
  return await new Promise((resolve, reject) => {
    const sent = request(new URL(path, origin), { headers: { host, ...more } }, (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
    sent.on('error', reject)
    sent.end()
  })
}
