/** Connections with TLS: options that Node's agents leave as they are, and failures that last. */
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { hintFor } from '../../src/cli/exit-status.ts'
import { exchange } from '../../src/client/transport/answer.ts'
import { requestBytes } from '../../src/client/transport/http.ts'
import { createPatience } from '../../src/client/transport/patience.ts'
import { listen } from './listen.ts'
import { storeCertificate, storeKey } from './store-certificate.ts'

test('bodies over TLS are sent without delay, and silent connections are probed', async () => {
  const server = createServer({ key: storeKey, cert: storeCertificate }, (_, response) => {
    response.end()
  })
  const url = new URL((await listen(server)).replace('http:', 'https:'))
  const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay')
  const keepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive')
  onTestFinished(() => void vi.restoreAllMocks())
  const asked = { url, method: 'GET', headers: {}, body: undefined, signal: undefined }
  // The certificate is not trusted, which is found out later.
  await expect(exchange(asked)).rejects.toThrow('self-signed certificate')
  expect(noDelay).toHaveBeenCalledWith(true)
  expect(keepAlive).toHaveBeenCalledWith(true, 1000)
})

// Also with a patience of minutes, the first failure is the last.
test('a certificate that is not trusted, and a server with the other protocol, are not tried again', async () => {
  const connections = { secure: 0, plain: 0 }
  const secure = createServer({ key: storeKey, cert: storeCertificate })
  secure.on('connection', () => (connections.secure += 1))
  const plain = createPlainServer((_, response) => response.end())
  plain.on('connection', () => (connections.plain += 1))
  const urls = { secure: await listen(secure), plain: await listen(plain) }
  const failing = async (url: string): Promise<unknown> => {
    const server = { url, token: null, patience: createPatience(60_000) }
    return await requestBytes(server, { path: '/' }).catch((error: unknown) => error)
  }
  const untrusted = await failing(urls.secure.replace('http:', 'https:'))
  expect(untrusted).toMatchObject({
    name: 'AnswerError',
    message: expect.stringContaining('self-signed certificate') as string,
  })
  expect(hintFor(untrusted)).toContain('NODE_EXTRA_CA_CERTS')
  expect(connections.secure).toBe(1)
  const withoutTls = await failing(urls.plain.replace('http:', 'https:'))
  expect(withoutTls).toMatchObject({
    name: 'AnswerError',
    message: expect.stringContaining('does not speak TLS') as string,
  })
  expect(connections.plain).toBe(1)
  expect(await failing(urls.secure)).toMatchObject({
    name: 'AnswerError',
    message: expect.stringContaining('speaks TLS') as string,
  })
})
