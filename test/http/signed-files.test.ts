/** Signed URLs of single files: each opens its own file and nothing else, as the route of files
 *  serves it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { filePath } from '../../src/api/paths.ts'
import { untrustedContentPolicy } from '../../src/http/body/media-type.ts'
import { openSharedServer, problemOf, type SendRequest } from './open-server.ts'

const hour = 60 * 60 * 1000
const html = '<p>report</p>'
/** Names in pairs that some step of the way could confuse, and what an address gives a meaning. */
const oddNames = [
  '50%/%41.txt',
  '50%/A.txt',
  'a/%2e%2e/b',
  'a/%2E%2E/b',
  'a/b',
  '%252F',
  '%2F',
  '\u00e9',
  'e\u0301',
  '\u00e9'.toUpperCase(),
  '日本語/ファイル.txt',
  '😀',
  '\ufeffbom',
  '\u2028',
  'a?b=c&sig=d#e',
  'a+b',
  'a b',
  ' ',
  '...',
  '.hidden',
  '~',
  'back\\slash',
  `"';,`,
  'ü'.repeat(127) + 'x',
  'ü'.repeat(127) + 'y',
  `${'d'.repeat(255)}/${'f'.repeat(255)}`,
]

const server = await openSharedServer()
let id: number
let other: number
beforeAll(async () => {
  const files = oddNames.map((name) => ({ name, content: `text of ${name}` }))
  const report = [
    { name: 'report.html', content: html },
    { name: 'link', type: 'symlink' as const, linkname: 'report.html' },
    { name: 'sub/log.txt', content: 'a line\n'.repeat(1000) },
  ]
  id = await server.put('1/reports', { tar: [...files, ...report] })
  other = await server.put('2/reports', { tar: report })
})

/** Returns the signed URL of a file, or without a path that of the whole artifact. */
async function sign(path?: string, artifact = id): Promise<URL> {
  const response = await askToSign(path, { artifact })
  expect([path, response.status]).toEqual([path, 200])
  expect(response.headers.get('cache-control')).toBe('no-store')
  const { url } = (await response.json()) as { url: string }
  return new URL(url)
}

async function askToSign(
  path: string | undefined,
  { artifact = id, ...request }: SendRequest & { artifact?: number } = {},
): Promise<Response> {
  const query = path === undefined ? '' : `?${new URLSearchParams({ path }).toString()}`
  return await server.send(`/api/v1/artifacts/${artifact}/signed-url${query}`, request)
}

/** Opens a URL as somebody who has nothing but it. */
async function open(url: URL | string, request: SendRequest = {}): Promise<Response> {
  return await server.send(String(url), { token: null, ...request })
}

test.each(oddNames)('%j is opened by its own URL', async (name) => {
  const url = await sign(name)
  expect(url.pathname.startsWith(`/api/v1/artifacts/${id}/files/`)).toBe(true)
  const response = await open(url)
  expect([response.status, await response.text()]).toEqual([200, `text of ${name}`])
})

test('the URL of a file opens no other file, however similar its name', async () => {
  const { search } = await sign(oddNames[0])
  for (const name of [...oddNames.slice(1), 'report.html', 'nowhere']) {
    const response = await open(filePath(id, name) + search)
    expect([name, await problemOf(response)]).toMatchObject([
      name,
      { status: 403, code: 'signed_url_invalid' },
    ])
  }
})

test('a signature counts on its own route only, for its own artifact, and as it was given', async () => {
  const [file, whole] = [await sign('report.html'), await sign()]
  expect((await open(whole)).headers.get('content-type')).toBe('application/zip')
  const { search } = file
  const credential = `${id}.${file.searchParams.get('se')}.${file.searchParams.get('sig')}`
  const refused: [string, number][] = [
    [filePath(other, 'report.html') + search, 403],
    [filePath(id, 'report.html') + whole.search, 403],
    [filePath(id, 'report.html/') + search, 403],
    [`/api/v1/artifacts/0${id}/files/report.html${search}`, 403],
    [whole.pathname + search, 403],
    [`/content/${credential}/report.html`, 403],
    [file.pathname, 401],
    [`${file.pathname}?se=${file.searchParams.get('se')}`, 403],
    [`${file.pathname}?sig=${file.searchParams.get('sig')}`, 403],
    [file.pathname + search.replace('se=', 'se=9'), 403],
    [file.href + search.replace('?', '&'), 400],
    ...['', '/archive.zip', '/archive.tar.gz', '/manifest', '/signed-url'].map(
      (rest): [string, number] => [`/api/v1/artifacts/${id}${rest}${search}`, 401],
    ),
  ]
  for (const [path, status] of refused) {
    const response = await open(path)
    expect([path, response.status]).toEqual([path, status])
    expect(await response.text()).not.toContain(html)
  }
})

test('a wrong signature is refused even with a token that may read the file', async () => {
  const url = await sign('report.html')
  url.searchParams.set('se', '9999999999')
  expect((await server.send(url.href)).status).toBe(403)
  expect((await server.send(url.pathname)).status).toBe(200)
})

describe('the response', () => {
  test('is as safe in a browser as that of the route with a token', async () => {
    const url = await sign('report.html')
    const [signed, own] = [await open(url), await server.send(url.pathname)]
    expect(await signed.text()).toBe(html)
    const headersOf = ({ headers }: Response): object =>
      Object.fromEntries([...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)))
    expect(headersOf(signed)).toEqual(headersOf(own))
    expect(headersOf(signed)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': untrustedContentPolicy,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-disposition': `inline; filename="report.html"; filename*=UTF-8''report.html`,
      'cache-control': 'private, no-cache',
    })
    const kept = await open(`${url.href}&download`)
    expect(kept.headers.get('content-disposition')).toMatch(/^attachment/)
  })

  test('can be a head, a range, a confirmation or gzip', async () => {
    const url = await sign('sub/log.txt')
    const plain = { 'accept-encoding': 'identity' }
    const head = await open(url, { method: 'HEAD', headers: plain })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '7000'])
    const part = await open(url, { headers: { ...plain, range: 'bytes=7-12' } })
    expect([part.status, await part.text()]).toEqual([206, 'a line'])
    const etag = head.headers.get('etag') ?? ''
    const known = await open(url, { headers: { ...plain, 'if-none-match': etag } })
    expect(known.status).toBe(304)
    const gzip = await open(url, { headers: { 'accept-encoding': 'gzip' } })
    expect(gzip.headers.get('content-encoding')).toBe('gzip')
    expect(await gzip.text()).toHaveLength(7000)
  })
})

test('only a file that the caller may read is signed', async () => {
  for (const path of ['nowhere', 'sub', 'link', 'sub/', 'new\nline'])
    expect([path, await problemOf(await askToSign(path))]).toMatchObject([
      path,
      { status: 404, code: 'not_found' },
    ])
  expect((await askToSign('')).status).toBe(400)
  const stranger = await server.token({ project: 'octo/other' })
  const ofRun2 = await server.token({ scope: 'run', run: 2, job: 'build' })
  for (const token of [stranger, ofRun2])
    expect((await askToSign('report.html', { token })).status).toBe(404)
  expect((await askToSign('report.html', { token: null })).status).toBe(401)
  expect((await askToSign('report.html', { token: ofRun2, artifact: other })).status).toBe(200)
})

test('a person sees a page when the URL is no longer valid', async () => {
  const response = await askToSign('report.html', { artifact: other })
  const { url, expiresAt } = (await response.json()) as { url: string; expiresAt: string }
  const zip = await sign(undefined, other)
  expect(Date.parse(expiresAt) - server.clock.now).toBeGreaterThan(5 * hour)
  server.clock.now = Date.parse(expiresAt) - 1
  expect((await open(url)).status).toBe(200)
  server.clock.now = Date.parse(expiresAt) + 60_000
  for (const each of [new URL(url), zip]) {
    expect(await problemOf(await open(each))).toMatchObject({ code: 'signed_url_invalid' })
    const page = await open(each, { headers: { accept: 'text/html' } })
    expect([page.status, page.headers.get('content-type')]).toEqual([
      403,
      'text/html; charset=utf-8',
    ])
    expect(await page.text()).toContain('This link is not valid')
  }
})

test('the URL of a file of a deleted artifact is gone', async () => {
  const url = await sign('report.html', other)
  expect((await server.send(`/api/v1/artifacts/${other}`, { method: 'DELETE' })).status).toBe(200)
  const response = await open(url)
  expect(await problemOf(response)).toMatchObject({ status: 410, code: 'artifact_deleted' })
})
