/** A request body on its way to a thread: chunks against credit, so that neither side holds more than `bodyCreditBytes` of it. */
import { addAbortSignal, Readable } from 'node:stream'
import type { Call } from '../worker-thread.ts'

/** Bytes of one body on their way, at most. */
const bodyCreditBytes = 2 * 1024 * 1024
/** Credit is given back in steps: a message for each chunk would be as many as there are chunks. */
const creditStepBytes = 256 * 1024

/** What is sent of a body; null ends it. */
export type BodyChunk = Uint8Array | null

export interface BodySender {
  /** Reads the body only as fast as credit comes back. Errors: what it fails with. */
  send(post: (chunk: BodyChunk, transfer: ArrayBuffer[]) => void): Promise<void>
  addCredit(bytes: number): void
  /** Stops reading, whatever is left. */
  close(): void
}

export function createBodySender(body: Readable): BodySender {
  let credit = bodyCreditBytes
  let isClosed = false
  let goOn: (() => void) | undefined
  return {
    send: async (post) => {
      for await (const piece of body.iterator({ destroyOnReturn: false })) {
        const bytes = piece as Buffer
        for (let at = 0; at < bytes.length;) {
          if (isClosed) return
          if (credit <= 0) {
            await new Promise<void>((resolve) => {
              goOn = resolve
            })
            continue
          }
          // A copy of its own: sending a view would send the whole buffer behind it.
          const own = new Uint8Array(bytes.subarray(at, at + Math.min(credit, bytes.length - at)))
          credit -= own.length
          at += own.length
          post(own, [own.buffer])
        }
      }
      post(null, [])
    },
    addCredit: (bytes) => {
      credit += bytes
      goOn?.()
    },
    close: () => {
      isClosed = true
      goOn?.()
    },
  }
}

/** In the thread: the body as a stream. Whatever is read gives credit back to the sender. */
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
      call.tell(readBytes)
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
    waiting.push(chunk && Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    give()
  }
  return addAbortSignal(call.stop.signal, stream)
}
