/** Bounds the number of connections. Each is an open file and needs no token, so without a bound
 *  connections could use up the files that packs and uploads need. */
import { readFile } from 'node:fs/promises'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { limits } from '../core/limits.ts'

export interface Connections {
  /** All open connections. */
  readonly open: ReadonlySet<Socket>
  /** Marks the connection of a request as busy until the response is sent. */
  whileBusy(listener: RequestListener): RequestListener
  /** The response that is being made for the request in progress. */
  responseOn(socket: Duplex): ServerResponse | undefined
  /** Limits the server to `max` connections. At the limit, the one idle for longest is closed to
   *  make room for the next; if none is idle, the one whose client has for longest not read the end
   *  of a response. If there is none either, the next is rejected. */
  bound(server: Server, max: number): void
}

export function createConnections(): Connections {
  const open = new Set<Socket>()
  /** Connections without a complete request in progress, the one idle for longest first. */
  const idle = new Set<Socket>()
  /** Connections with a response that is complete, but not yet sent: it may be to a stranger who
   *  reads a byte per minute. The longest first. */
  const unread = new Set<Socket>()
  const responses = new WeakMap<Duplex, ServerResponse>()
  return {
    open,
    responseOn: (socket) => responses.get(socket),
    whileBusy: (listener) => (request, response) => {
      const { socket } = request
      idle.delete(socket)
      responses.set(socket, response)
      response.once('prefinish', () => {
        unread.add(socket)
        // Bodies that are made while they are sent have a timer of their own.
        if (!socket.timeout) response.setTimeout(limits.idleBodyMs, () => void socket.destroy())
      })
      response.once('close', () => {
        responses.delete(socket)
        unread.delete(socket)
        if (open.has(socket)) idle.add(socket)
      })
      listener(request, response)
    },
    bound: (server, max) => {
      const makeRoom = (): void => {
        const [longest] = idle.size > 0 ? idle : unread
        if (open.size >= max) longest?.destroy()
      }
      server.maxConnections = max
      server.on('drop', makeRoom)
      server.on('connection', (socket: Socket) => {
        open.add(socket)
        makeRoom()
        idle.add(socket)
        socket.once('close', () => {
          open.delete(socket)
          idle.delete(socket)
        })
      })
    },
  }
}

/** A third of the files that the process may open. Another third is for what requests read and
 *  write, and the last for threads, packs and the database. */
export async function connectionsMax(): Promise<number> {
  return Math.min(limits.connectionsMax, Math.floor((await openFilesMax()) / 3))
}

/** Infinity where the system has no cheap way to ask: `process.report` takes longer than the
 *  rest of the start. */
async function openFilesMax(): Promise<number> {
  if (process.platform !== 'linux') return Infinity
  const [, files] =
    /^Max open files +(\d+)/m.exec(await readFile('/proc/self/limits', 'utf8')) ?? []
  return files === undefined ? Infinity : Number(files)
}
