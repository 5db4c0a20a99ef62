/** Transfers a request body to a thread in chunks. Flow control by credit keeps at most
 *  `bodyCreditBytes` of it on either side. */
import { addAbortSignal, Readable } from 'node:stream'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import type { Call } from '../../worker-thread.ts'

/** Upper bound on the bytes of one body in transit. */
const bodyCreditBytes = 2 * 1024 * 1024
/** Credit is returned in steps, to avoid a message per chunk. */
const creditStepBytes = 256 * 1024

/** A message with bytes of a body; null ends the body. */
export type BodyChunk = Uint8Array | null

export interface BodySender {
  /** Reads the body only as fast as credit is returned. A chunk that is all of its memory is given
   *  away, so nobody else may use it. Errors: those of the body. */
  send(post: (chunk: BodyChunk, transfer: ArrayBuffer[]) => void): Promise<void>
  addCredit(bytes: number): void
  /** Stops reading, whatever is left. */
  close(): void
}

export function createBodySender(body: Readable): BodySender {
  let credit = bodyCreditBytes
  let isClosed = false
  let resume: (() => void) | undefined
  return {
    send: async (post) => {
      for await (const piece of body.iterator({ destroyOnReturn: false })) {
        const bytes = piece as Buffer
        const { length } = bytes
        for (let at = 0; at < length;) {
          if (isClosed) return
          if (credit <= 0) {
            await new Promise<void>((resolve) => {
              resume = resolve
            })
            continue
          }
          const own = ownBytes(bytes, at, Math.min(length, at + credit))
          credit -= own.length
          at += own.length
          post(own, [own.buffer])
        }
      }
      post(null, [])
    },
    addCredit: (bytes) => {
      credit += bytes
      resume?.()
    },
    close: () => {
      isClosed = true
      resume?.()
    },
  }
}

/** Returns a part of the bytes whose memory has nothing else in it, because all of the memory is
 *  transferred. That is so of the chunks of Node's HTTP parser; copying them took the event loop
 *  half a millisecond per MB. */
function ownBytes(bytes: Buffer, from: number, to: number): Uint8Array<ArrayBuffer> {
  const isAll = to - from === bytes.buffer.byteLength
  return isAll ? (bytes as Buffer<ArrayBuffer>) : new Uint8Array(bytes.subarray(from, to))
}

/** In the thread: returns the body as a stream. Reading it returns credit to the sender. */
export function receiveBody(call: Call<number, BodyChunk>): Readable {
  const waiting: BodyChunk[] = []
  let wanted = false
  let readBytes = 0
  const give = (): void => {
    while (wanted && waiting.length > 0) {
      const chunk = waiting.shift()!
      wanted = stream.push(chunk)
      if (chunk === null) return
      readBytes += chunk.length
      if (readBytes < creditStepBytes) continue
      call.notify(readBytes)
      readBytes = 0
    }
  }
  const stream = new Readable({
    highWaterMark: 256 * 1024,
    read: () => {
      wanted = true
      give()
    },
  })
  call.onMore = (chunk) => {
    waiting.push(chunk && asBuffer(chunk))
    give()
  }
  return addAbortSignal(call.stop.signal, stream)
}
