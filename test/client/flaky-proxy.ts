/** A TCP proxy between client and server that can cut connections, switch the server, and count
 *  what passed. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface FlakyProxy {
  url: string
  /** Bytes that clients have sent and received. */
  sentBytes(): number
  receivedBytes(): number
  /** Cuts each of the next `count` connections after a number of bytes in either direction,
   *  taken from `bytes` for each connection.
   *  `reset` loses what the client has not read yet; `close` delivers everything that passed. */
  cutNext(count: number, bytes: () => number, how?: 'reset' | 'close'): void
  /** Resolves when clients have sent (or received) that many more bytes. */
  passed(direction: 'sent' | 'received', bytes: number): Promise<void>
  /** Stops passing data to clients after they have received that many more bytes; returns a
   *  function that resumes. */
  stallAfter(bytes: number): () => void
  pointTo(url: string): void
}

export async function startFlakyProxy(target: string): Promise<FlakyProxy> {
  let port = Number(new URL(target).port)
  let cuts = 0
  let cutHow: 'reset' | 'close' = 'reset'
  let nextCut = (): number => Number.POSITIVE_INFINITY
  const passed = { sent: 0, received: 0 }
  const waiting: { direction: 'sent' | 'received'; at: number; resolve(): void }[] = []
  const sockets = new Set<Socket>()
  let stallAt = Number.POSITIVE_INFINITY
  const stalled = new Set<Socket>()
  const note = (direction: 'sent' | 'received', bytes: number): void => {
    passed[direction] += bytes
    for (const each of waiting) if (passed[each.direction] >= each.at) each.resolve()
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let left = cuts > 0 ? nextCut() : Number.POSITIVE_INFINITY
    cuts = Math.max(0, cuts - 1)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const relay = (from: Socket, to: Socket, direction: 'sent' | 'received'): void => {
      from.on('data', (chunk: Buffer) => {
        if (left < 0) return
        left -= chunk.length
        // With `close`, the chunk that triggers the cut is neither passed nor counted.
        if (left >= 0 || cutHow === 'reset') note(direction, chunk.length)
        if (left < 0 && cutHow === 'close') {
          client.end(() => upstream.destroy())
        } else if (left < 0) {
          client.resetAndDestroy()
          upstream.destroy()
        } else if (!to.write(chunk)) {
          from.pause()
          to.once('drain', () => {
            if (!stalled.has(from)) from.resume()
          })
        }
        if (direction === 'received' && passed.received >= stallAt) {
          from.pause()
          stalled.add(from)
        }
      })
    }
    relay(client, upstream, 'sent')
    relay(upstream, client, 'received')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sentBytes: () => passed.sent,
    receivedBytes: () => passed.received,
    cutNext: (count, bytes, how = 'reset') => {
      cuts = count
      cutHow = how
      nextCut = bytes
    },
    passed: async (direction, bytes) =>
      await new Promise<void>((resolve) => {
        waiting.push({ direction, at: passed[direction] + bytes, resolve })
      }),
    stallAfter: (bytes) => {
      stallAt = passed.received + bytes
      return () => {
        stallAt = Number.POSITIVE_INFINITY
        for (const socket of stalled) socket.resume()
        stalled.clear()
      }
    },
    pointTo: (url) => {
      port = Number(new URL(url).port)
    },
  }
}
