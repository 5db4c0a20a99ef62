/** A request body that reaches a worker as messages, as a stream. Whatever is read gives credit back to the sender, so
 *  the sender's credit bounds what waits here. */
import { Readable } from 'node:stream'

export interface ArrivingBody {
  stream: Readable
  take(chunk: Buffer): void
  end(): void
  fail(error: Error): void
}

export function openArrivingBody(giveCredit: (bytes: number) => void): ArrivingBody {
  const waiting: (Buffer | null)[] = []
  let wanted = false
  const stream = new Readable({
    highWaterMark: 256 * 1024,
    read: () => {
      wanted = true
      give()
    },
  })
  const give = (): void => {
    while (wanted && waiting.length > 0) {
      const chunk = waiting.shift()!
      wanted = stream.push(chunk)
      if (chunk === null) return
      giveCredit(chunk.length)
    }
  }
  return {
    stream,
    take: (chunk) => {
      waiting.push(chunk)
      give()
    },
    end: () => {
      waiting.push(null)
      give()
    },
    fail: (error) => {
      stream.destroy(error)
    },
  }
}
