/** A bounded pool of buffers that travel to the workers with a task and come back with its
 *  result. Allocating a buffer per task would have the allocator hand out and take back
 *  thousands across threads, and grow. */

export interface Rooms {
  /** Resolves with a buffer of `bytes` bytes, once one is free. */
  take(): Promise<Uint8Array>
  /** Returns a buffer to the pool; undefined if it was lost. */
  release(room: Uint8Array | undefined): void
}

export function createRooms(count: number, bytes: number): Rooms {
  const free: (Uint8Array | undefined)[] = Array.from({ length: count }, () => undefined)
  const waiting: ((room: Uint8Array | undefined) => void)[] = []
  return {
    take: async () => {
      const room =
        free.length > 0
          ? free.pop()
          : await new Promise<Uint8Array | undefined>((resolve) => {
              waiting.push(resolve)
            })
      return room ?? new Uint8Array(bytes)
    },
    release: (room) => {
      const next = waiting.shift()
      if (next === undefined) free.push(room)
      else next(room)
    },
  }
}
