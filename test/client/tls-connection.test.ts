/** Options of connections with TLS, which Node's agents leave as they are. */
import { createServer } from 'node:https'
import { Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { exchange } from '../../src/client/transport/answer.ts'
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
