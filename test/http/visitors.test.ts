/** Requests without a credential are bounded, and those with one are not affected. */
import { EventEmitter, once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createVisitors } from '../../src/http/access/visitors.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer({
  TROVE_PUBLIC_PROJECTS: 'octo/app',
  TROVE_PUBLIC_REQUESTS: '2',
})

test('visitors beyond the limit are told to come back, others are served', async () => {
  const id = await server.put('1/large', { body: randomBytes(16_000_000) })
  const path = `/api/v1/artifacts/${id}/archive.zip`
  const list = async (token: string | null): Promise<Response> =>
    await server.send('/api/v1/artifacts?project=octo/app', { token })
  // Clients that stop reading.
  const slow: IncomingMessage[] = []
  for (let each = 0; each < 2; each++) {
    const [response] = (await once(get(new URL(path, server.url)), 'response')) as [IncomingMessage]
    response.on('error', () => undefined)
    slow.push(response)
  }
  expect(await problemOf(await list(null))).toMatchObject({
    status: 503,
    code: 'busy',
    body: { detail: expect.stringContaining('TROVE_PUBLIC_REQUESTS'), retryable: true },
  })
  const page = await server.send('/octo/app', { token: null })
  expect([page.status, await page.text()]).toEqual([503, expect.stringContaining('sign in')])
  expect((await list(await server.token())).status).toBe(200)
  expect((await server.visit('/octo/app')).status).toBe(200)
  slow[0]!.destroy()
  await expect.poll(async () => (await list(null)).status).toBe(200)
  slow[1]!.destroy()
})

test('signed URLs that a visitor was given take the places of visitors, those of others do not', async () => {
  const file = { name: 'large.pdf', content: randomBytes(16_000_000) }
  const id = await server.put('1/document', { tar: [file] })
  const zip = `/repos/octo/app/actions/artifacts/${id}/zip`
  const signed = async (token?: null): Promise<string[]> => {
    const path = `/octo/app/actions/runs/1/artifacts/${id}/blob/${file.name}`
    const page = token === null ? await server.send(path, { token }) : await server.visit(path)
    const [, document = ''] = /<iframe[^>]* src="([^"]+)"/.exec(await page.text()) ?? []
    const redirect = await server.send(zip, token === null ? { token } : {})
    return [document, redirect.headers.get('location')!]
  }
  const open = async (path: string): Promise<IncomingMessage> => {
    const [response] = (await once(get(new URL(path, server.url)), 'response')) as [IncomingMessage]
    response.on('error', () => undefined)
    return response
  }
  const [given, owned] = [await signed(null), await signed()]
  const slow = await Promise.all(given.map(open))
  expect(slow.map(({ statusCode }) => statusCode)).toEqual([200, 200])
  const beyond = await Promise.all(given.map(open))
  expect(beyond.map(({ statusCode }) => statusCode)).toEqual([503, 503])
  const others = await Promise.all([...owned, ...owned].map(open))
  expect(others.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])
  for (const response of [...slow, ...beyond, ...others]) response.destroy()
})

test('requests whose client has hung up, and repeated questions, take no place', () => {
  const visitors = createVisitors({ publicRequestsMax: 1 })
  const response = (destroyed: boolean) => Object.assign(new EventEmitter(), { destroyed })
  for (let each = 0; each < 3; each++) visitors.admit(response(true) as never)
  const first = response(false)
  for (let each = 0; each < 3; each++) visitors.admit(first as never)
  expect(() => visitors.admit(response(false) as never)).toThrow('TROVE_PUBLIC_REQUESTS')
  first.emit('close')
  visitors.admit(response(false) as never)
})
