/** Places for downloads: only so many at a time hold a page of entries and a window of bytes, some
 *  megabytes each. Five hundred zips of tiny files at once ended a server. A client decides how
 *  long its download takes, so the others do not wait for it: a download that others wait for gives
 *  its place up after some chunks, or when its client is slow, and later begins again where it
 *  was. */

/** Chunks of a turn: enough that beginning again, some milliseconds, is little beside them. A turn
 *  ends earlier for an owner without any place. */
const turnChunks = 32
/** A client that reads nothing for so long is slow. */
const slowMs = 1000
/** Upper bound on the share of time that goes into beginning again for a slow client. */
const reopeningShare = 1 / 4

export interface Places {
  /** Takes a place once there is one. Those who wait take turns by `owner`, and within one in the
   *  order of arrival. Errors: the abort reason. */
  take(owner: number, signal: AbortSignal | undefined): Promise<Place>
  /** Places that are taken. */
  count(): number
}

export interface Place {
  /** Whether the place must be given up: others wait, and the holder had its turn. */
  isOver(): boolean
  /** Says that the holder waits for its client. `close` is called at most once, if others need the
   *  place before `resume`, and frees what the holder has in memory. */
  waitForClient(close: () => Promise<void>): void
  /** Says that the client goes on. Returns false if the place was taken away. */
  resume(): boolean
  /** Gives the place up; a no-op when it was taken away. */
  end(): void
}

interface Waiter {
  grant(): void
}

interface Idle {
  since: number
  /** Others may take the place from then on. */
  slowAfterMs: number
  takeAway(): void
}

export function createPlaces(max: number): Places {
  let taken = 0
  /** Places of each owner that has any. */
  const held = new Map<number, number>()
  /** The first owner is next, unless another has no place. */
  const waiting = new Map<number, Waiter[]>()
  const idle = new Set<Idle>()
  let timer: NodeJS.Timeout | undefined

  const withoutPlace = (): number | undefined =>
    [...waiting.keys()].find((owner) => !held.has(owner))

  const note = (owner: number, change: 1 | -1): void => {
    const places = (held.get(owner) ?? 0) + change
    if (places > 0) held.set(owner, places)
    else held.delete(owner)
    taken += change
  }

  const passOn = (from: number): void => {
    note(from, -1)
    const owner = withoutPlace() ?? [...waiting.keys()][0]
    if (owner === undefined) return
    const [next, ...others] = waiting.get(owner)!
    waiting.delete(owner)
    if (others.length > 0) waiting.set(owner, others)
    note(owner, 1)
    next!.grant()
  }

  const takeFromSlow = (): void => {
    timer = undefined
    let needed = [...waiting.values()].reduce((sum, { length }) => sum + length, 0)
    if (needed === 0) return
    const now = performance.now()
    for (const holder of idle) {
      if (now - holder.since < holder.slowAfterMs) continue
      holder.takeAway()
      needed -= 1
      if (needed === 0) return
    }
    timer = setTimeout(takeFromSlow, slowMs / 4)
  }

  const wait = async (owner: number, signal: AbortSignal | undefined): Promise<void> => {
    const queue = waiting.get(owner) ?? []
    waiting.set(owner, queue)
    if (timer === undefined) timer = setTimeout(takeFromSlow, slowMs / 4)
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      const leave = (): void => {
        const left = (waiting.get(owner) ?? []).filter((other) => other !== waiter)
        if (left.length > 0) waiting.set(owner, left)
        else waiting.delete(owner)
        reject(signal!.reason as Error)
      }
      queue.push(waiter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  const createPlace = (owner: number): Place => {
    const begun = performance.now()
    let openingMs: number | undefined
    let chunks = 0
    let isHeld = true
    let waits: Idle | undefined
    const resume = (): boolean => {
      if (waits !== undefined) idle.delete(waits)
      waits = undefined
      return isHeld
    }
    return {
      isOver: () => waiting.size > 0 && (chunks + 1 >= turnChunks || withoutPlace() !== undefined),
      waitForClient: (close) => {
        chunks += 1
        const since = performance.now()
        openingMs ??= since - begun
        const slowAfterMs = Math.max(slowMs, openingMs / reopeningShare)
        waits = {
          since,
          slowAfterMs,
          takeAway: () => {
            resume()
            isHeld = false
            // The download begins again, and then fails with the same if it concerns it.
            const pass = (): void => passOn(owner)
            close().then(pass, pass)
          },
        }
        idle.add(waits)
      },
      resume,
      end: () => {
        if (resume()) passOn(owner)
        isHeld = false
      },
    }
  }

  return {
    take: async (owner, signal) => {
      signal?.throwIfAborted()
      if (taken < max) note(owner, 1)
      else await wait(owner, signal)
      return createPlace(owner)
    },
    count: () => taken,
  }
}
