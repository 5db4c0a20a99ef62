/** Response bodies, which arrive in pieces of any length and can end at any byte. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Answer } from '../../src/client/transport/answer.ts'
import { type BodyReader, readBody } from '../../src/client/transport/body-reader.ts'
import { linesOf } from '../../src/client/transport/lines.ts'
import { AnswerError, NetworkError } from '../../src/client/transport/network-error.ts'

const server = { url: 'http://server' }

/** `given` counts what has been done with the response. */
function answerOf(pieces: Iterable<Buffer>): {
  answer: Answer
  given: Record<'pieces' | 'discards', number>
} {
  const given = { pieces: 0, discards: 0 }
  const chunks = async function* (): AsyncGenerator<Buffer, void, undefined> {
    for (const piece of pieces) {
      given.pieces += 1
      yield piece
    }
  }
  const discard = (): void => void (given.discards += 1)
  return { answer: { chunks, discard } as Answer, given }
}

const ways: Record<string, (body: BodyReader, count: number) => Promise<Buffer>> = {
  take: async (body, count) => await body.take(count),
  takeInto: async (body, count) => {
    const target = Buffer.alloc(count)
    await body.takeInto(target)
    return target
  },
  stream: async (body, count) => {
    const pieces: Buffer[] = []
    for await (const piece of body.stream(count)) pieces.push(piece)
    return Buffer.concat(pieces)
  },
}
const reads = fc.array(fc.tuple(fc.constantFrom(...Object.keys(ways)), fc.nat(9), fc.nat(9)))

test('any reads of any pieces yield the bytes in order, or fail where the body ends too early', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 6 })),
      reads,
      async (pieces, list) => {
        const all = Buffer.concat(pieces)
        const { answer, given } = answerOf(pieces.map((piece) => Buffer.from(piece)))
        let at = 0
        let isWhole = false
        const reading = readBody(server, answer, async (body) => {
          for (const [way, count, ahead] of list) {
            // What is looked at is not taken.
            if (at < all.length)
              expect(await body.peek(ahead)).toEqual(all.subarray(at, at + ahead))
            expect(await ways[way]!(body, count)).toEqual(all.subarray(at, at + count))
            at += count
          }
          isWhole = given.pieces === pieces.length
        })
        const wanted = list.reduce((sum, [, count]) => sum + count, 0)
        if (wanted > all.length) await expect(reading).rejects.toBeInstanceOf(NetworkError)
        else await reading
        await nextTurn()
        // The connection can serve again only when the whole body has arrived.
        expect(given.discards).toBe(isWhole ? 0 : 1)
      },
    ),
  )
})

test('looking ahead at the end of a body fails', async () => {
  const reading = readBody(server, answerOf([]).answer, async (body) => await body.peek(1))
  await expect(reading).rejects.toBeInstanceOf(NetworkError)
})

test('a line that no server would send is not received', async () => {
  const { answer, given } = answerOf(Array(1000).fill(Buffer.alloc(100_000, 'x')))
  const lines = async (): Promise<void> => {
    for await (const line of linesOf(server, answer)) expect(line).toBeUndefined()
  }
  await expect(lines()).rejects.toBeInstanceOf(AnswerError)
  expect(given.pieces).toBeLessThan(10)
})
