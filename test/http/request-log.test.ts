/** The log as an operator reads it: who did what, for how long, why it failed, and no secrets. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { afterAll, expect, test } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { fileDirectory } from '../temporary-directory.ts'

type Line = Record<string, unknown> & { message: string }

const dataDir = fileDirectory()
const lines: Line[] = []
const texts: string[] = []
const server = await startServer(readServerConfig({ data: dataDir, port: '0' }, {}), {
  log: createLog('info', (text) => {
    texts.push(text)
    lines.push(JSON.parse(text) as Line)
  }),
})
const { tokens } = await openKeys(dataDir)
const mint = async (request: Parameters<typeof grantOf>[0]): Promise<string> =>
  await mintToken(tokens, grantOf(request, Date.now()))
const job = await mint({ project: 'octo/app', scope: 'job', run: 7, job: 'build' })
const admin = await mint({ scope: 'admin' })
afterAll(async () => {
  await server.close()
})

async function send(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(server.url + path, { ...init, headers: { authorization: `Bearer ${token}` } })
}

/** The line of the request with the id in this response, once it is written. */
async function lineOf(response: Response): Promise<Line> {
  const requestId = response.headers.get('x-request-id')
  const find = (): Line | undefined =>
    lines.find((line) => line.message === 'request' && line['requestId'] === requestId)
  await expect.poll(find).toBeDefined()
  return find()!
}

const place = '/api/v1/projects/octo/app/runs/7/artifacts/one'

test('a line names the token, its run, and how many bytes were sent', async () => {
  const put = await send(place, job, { method: 'PUT', body: randomBytes(50_000) })
  const { id } = (await put.json()) as { id: number }
  const caller = { scope: 'job', project: 'octo/app', run: 7 }
  expect(await lineOf(put)).toMatchObject({ ...caller, status: 201, path: place })
  const get = await send(`/api/v1/artifacts/${id}/files/one`, job)
  await get.arrayBuffer()
  const { sentBytes, token, failure } = await lineOf(get)
  expect(sentBytes).toBeGreaterThan(50_000)
  expect(token).toMatch(/^\S{8,}$/)
  expect(failure).toBeUndefined()
})

test('a line names the token that signed the URL, so that it can be revoked', async () => {
  const put = await send(`${place}-signed`, job, { method: 'PUT', body: 'text' })
  const { id } = (await put.json()) as { id: number }
  const path = `/api/v1/artifacts/${id}/files/one-signed`
  const asked = await send(`/api/v1/artifacts/${id}/signed-url?path=one-signed`, job)
  const { url } = (await asked.json()) as { url: string }
  const { token } = await lineOf(asked)
  const opened = await fetch(url)
  expect(await opened.text()).toBe('text')
  const line = await lineOf(opened)
  expect(line).toMatchObject({ path, signer: token })
  expect([line['token'], token]).toEqual([undefined, expect.stringMatching(/^[0-9a-f]{32}$/)])
})

test('a rejection is logged with its reason, and a long path is cut', async () => {
  const refused = await send('/api/v1/artifacts', 'bad')
  expect(await lineOf(refused)).toMatchObject({
    failure: 'unauthenticated',
    reason: 'the token was not issued by this server',
  })
  const { path } = await lineOf(await send(`/${'a'.repeat(5000)}`, job))
  expect(path).toHaveLength(501)
})

test('a download that the client leaves is logged as aborted, with its whole duration', async () => {
  const body = randomBytes(16 * 1024 * 1024)
  const put = await send(`${place}-large`, job, { method: 'PUT', body })
  const { id } = (await put.json()) as { id: number }
  const url = `${server.url}/api/v1/artifacts/${id}/files/one-large`
  const request = http.get(url, { headers: { authorization: `Bearer ${job}` } })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.on('error', () => {})
  await once(response, 'data')
  request.destroy()
  const find = (): Line | undefined =>
    lines.find((line) => String(line['path']).endsWith('/one-large') && line['method'] === 'GET')
  await expect.poll(find).toMatchObject({ status: 200, failure: 'aborted' })
  expect(find()!['sentBytes']).toBeLessThan(body.length)
})

test('a download whose client hangs up after the last byte is not logged as aborted', async () => {
  const body = randomBytes(4 * 1024 * 1024)
  const put = await send(`${place}-whole`, job, { method: 'PUT', body })
  const { id } = (await put.json()) as { id: number }
  const url = `${server.url}/api/v1/artifacts/${id}/files/one-whole`
  for (let each = 0; each < 8; each++) {
    const request = http.get(url, { agent: false, headers: { authorization: `Bearer ${job}` } })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes === body.length) request.destroy()
    })
    await once(response, 'close')
  }
  const found = (): Line[] =>
    lines.filter((line) => String(line['path']).endsWith('/one-whole') && line['method'] === 'GET')
  await expect.poll(() => found().length).toBe(8)
  expect(found().filter(({ failure }) => failure !== undefined)).toEqual([])
})

test('a requested job is logged when it is done; a collection that did nothing is not noise', async () => {
  await send('/api/v1/admin/gc', admin, { method: 'POST' })
  await expect
    .poll(() => lines.find(({ message }) => message === 'gc is done'))
    .toMatchObject({ level: 'info', seconds: expect.any(Number), expired: 0 })
})

test('the log says of a dry run that it is one', async () => {
  const started = await send('/api/v1/admin/gc', admin, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dryRun: true }),
  })
  expect(await started.json()).toMatchObject({ kind: 'gc', dryRun: true })
  await expect
    .poll(() => lines.find(({ message }) => message === 'the dry run of gc is done'))
    .toMatchObject({ level: 'info', freedBytes: 0 })
})

test('no line holds a token', async () => {
  await fetch(`${server.url}/sign-in?token=${admin}`)
  await fetch(`${server.url}/nothing?token=${admin}`)
  await send('/api/v1/tokens/revoke', admin, {
    method: 'POST',
    body: JSON.stringify({ token: job }),
  })
  await expect.poll(() => lines.some(({ path }) => path === '/nothing')).toBe(true)
  for (const secret of [admin, job])
    expect(texts.filter((text) => text.includes(secret.slice(-20)))).toEqual([])
})
