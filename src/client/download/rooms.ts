/** A bounded number of buffers that go to the threads with a task and come back with its answer. One for each task would be
 *  given to the allocator and taken from it again thousands of times, across threads, which it answers by growing. */

export interface Rooms {
  /** A buffer of `bytes`, once one is free. */
  take(): Promise<Uint8Array>
  /** Gives one back; undefined when it was lost on the way. */
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
