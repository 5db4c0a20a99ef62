import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { exchange } from '../../src/client/transport/answer.ts'
import { listen } from './listen.ts'

test('a body that nobody takes any more ends the request after the idle time, not twice that', async () => {
  const url = new URL(await listen(createServer((socket) => socket.pause())))
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(1024 * 1024)
  }
  const asked = { url, method: 'POST', headers: {}, body: endless(), signal: undefined }
  const begun = performance.now()
  await expect(exchange({ ...asked, idleMs: 2000 })).rejects.toThrow('no data received for 2 s')
  expect(performance.now() - begun).toBeLessThan(3500)
})
