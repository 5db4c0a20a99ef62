/** What a body's chunks become on their way to a thread. */
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  type BodyChunk,
  createBodySender,
  receiveBody,
} from '../../src/ingest/pool/body-channel.ts'
import type { Call } from '../../src/worker-thread.ts'

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

/** Connects a sender with a thread that reads what it sends. */
function connect(bytes: Buffer) {
  let inTransit = 0
  const most = { inTransit: 0 }
  const sender = createBodySender(Readable.from([bytes]))
  const call = {
    stop: new AbortController(),
    notify: (credit: number) => {
      inTransit -= credit
      sender.addCredit(credit)
    },
  } as Call<number, BodyChunk>
  const received = receiveBody(call)
  const sending = sender.send((chunk) => {
    inTransit += chunk?.length ?? 0
    most.inTransit = Math.max(most.inTransit, inTransit)
    call.onMore!(chunk)
  })
  return { sender, received, sending, most }
}

test('a long body arrives whole, and little of it is on its way at a time', async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 9_000_000 }, (_, index) => index % 251))
  const { received, sending, most } = connect(bytes)
  const pieces: Buffer[] = []
  for await (const piece of received) {
    pieces.push(piece as Buffer)
    await turn()
  }
  await sending
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
  expect(most.inTransit).toBe(2 * 1024 * 1024)
})

test('what is closed sends no more, though nobody reads', async () => {
  const { sender, sending, most } = connect(Buffer.alloc(9_000_000))
  await turn()
  sender.close()
  await sending
  expect(most.inTransit).toBe(2 * 1024 * 1024)
})
