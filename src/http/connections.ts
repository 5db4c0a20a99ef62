/** How many connections a server has at once. Each is an open file, and anybody can open them, without a token: unbounded they
 *  take those that packs and uploads need. */
import { readFile } from 'node:fs/promises'
import type { RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../core/limits.ts'

export interface Connections {
  /** All that are open. */
  readonly open: ReadonlySet<Socket>
  /** Knows the connection of a request as busy until its answer has gone. */
  whileBusy(listener: RequestListener): RequestListener
  /** With `max` of them, the one that has been idle for longest makes room for the next. Where none is, the next is refused. */
  bound(server: Server, max: number): void
}

export function createConnections(): Connections {
  const open = new Set<Socket>()
  /** Those on which nothing is answered, also as no request is complete yet; the longest first. */
  const idle = new Set<Socket>()
  return {
    open,
    whileBusy: (listener) => (request, response) => {
      const { socket } = request
      idle.delete(socket)
      response.once('close', () => {
        if (open.has(socket)) idle.add(socket)
      })
      listener(request, response)
    },
    bound: (server, max) => {
      const makeRoom = (): void => {
        const [longest] = idle
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

/** A third of the files that the process may open: another is left to what their requests read and write, and one to threads, packs
 *  and the database. */
export async function connectionsMax(): Promise<number> {
  return Math.min(limits.connectionsMax, Math.floor((await openFilesMax()) / 3))
}

/** Without bound where the system does not tell: `process.report` would, and takes longer than all of a start. */
async function openFilesMax(): Promise<number> {
  if (process.platform !== 'linux') return Infinity
  const [, files] =
    /^Max open files +(\d+)/m.exec(await readFile('/proc/self/limits', 'utf8')) ?? []
  return files === undefined ? Infinity : Number(files)
}
