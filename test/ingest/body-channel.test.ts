/** What a body's chunks become on their way to a thread. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { createBodySender } from '../../src/ingest/pool/body-channel.ts'

test('chunks that are all of their memory are given away, parts of a larger one are copied', async () => {
  const whole = Buffer.from(new Uint8Array(70_000).fill(1).buffer)
  const larger = Buffer.from(new Uint8Array(70_000).fill(2).buffer)
  const huge = Buffer.from(new Uint8Array(3 * 1024 * 1024).fill(3).buffer)
  const sender = createBodySender(Readable.from([whole, larger.subarray(10, 60_000), huge]))
  const sent: Uint8Array[] = []
  await sender.send((chunk, transfer) => {
    if (chunk === null) return
    sent.push(structuredClone(chunk, { transfer }))
    sender.addCredit(sent.at(-1)!.length)
  })
  const expected = [Buffer.alloc(70_000, 1), Buffer.alloc(59_990, 2), Buffer.alloc(3 << 20, 3)]
  expect(Buffer.concat(sent).equals(Buffer.concat(expected))).toBe(true)
  expect([whole.length, larger.length, huge.length]).toEqual([0, 70_000, 3 << 20])
})
