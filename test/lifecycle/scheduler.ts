/** Runs actors that share ports, one call at a time, in an order drawn from a seed. Every call of a
 *  guarded port waits for its turn, so the actors interleave at each of them. A kill makes every
 *  call fail from then on, as if the process had died. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { asError } from '../../src/core/errors.ts'

class Killed extends Error {}

export interface Scheduler {
  guard<T extends object>(port: T): T
  /** Runs the actors to their ends; `afterCall` runs after each call. Rejects with the first error
   *  of an actor, once all have ended. */
  run(actors: (() => Promise<void>)[], afterCall: () => void): Promise<void>
  kill(): void
}

interface Parked {
  actor: number | undefined
  go(): Promise<unknown>
}

/** Polls after which calls are let through although an actor has none waiting: it may wait for
 *  another actor. */
const patience = 40

export function createScheduler(random: () => number): Scheduler {
  const actorOf = new AsyncLocalStorage<number>()
  const parked: Parked[] = []
  let isDead = false
  let isOver = false

  const inTurn = async <T>(call: () => Promise<T>): Promise<T> => {
    const actor = actorOf.getStore()
    // What an actor left running waits for ever once all have ended.
    if (actor === undefined && !isOver) return await call()
    if (isDead) throw new Killed()
    return await new Promise<T>((resolve, reject) => {
      const go = async (): Promise<void> => {
        if (isDead) {
          reject(new Killed())
          return
        }
        try {
          resolve(await call())
        } catch (error) {
          reject(error as Error)
        }
      }
      parked.push({ actor, go })
    })
  }

  const guard = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function' || name === 'abort') return value
        return (...args: unknown[]): unknown => {
          if (name === 'list') return eachInTurn(Reflect.apply(value, target, args))
          return inTurn(async () => {
            const result: unknown = await Reflect.apply(value, target, args)
            return name === 'create' ? guard(result as object) : result
          })
        }
      },
    })

  async function* eachInTurn(source: AsyncIterable<unknown>): AsyncGenerator {
    const items = source[Symbol.asyncIterator]()
    for (;;) {
      const next = await inTurn(async () => await items.next())
      if (next.done === true) return
      yield next.value
    }
  }

  return {
    guard,
    kill: () => {
      isDead = true
    },
    run: async (actors, afterCall) => {
      const running = new Set(actors.keys())
      const errors: unknown[] = []
      for (const [id, act] of actors.entries()) {
        void actorOf
          .run(id, act)
          .catch((error: unknown) => errors.push(error))
          .finally(() => running.delete(id))
      }
      let favoured = 0
      /** How likely another actor is favoured with the next call. */
      let haste = 1
      const areAllWaiting = (): boolean =>
        [...running].every((id) => parked.some(({ actor }) => actor === id))
      while (running.size > 0) {
        for (let polls = 0; polls < patience && !areAllWaiting(); polls++) await nextTurn()
        // One actor may go far while the others stand still, or they may take turns.
        if (random() < haste)
          [haste, favoured] = [random() ** 2, Math.floor(random() * actors.length)]
        const preferred = parked.findIndex(({ actor }) => actor === favoured)
        const at = preferred === -1 ? Math.floor(random() * parked.length) : preferred
        const [next] = parked.splice(at, 1)
        if (next === undefined) continue
        // Sometimes the next call starts before this one has ended.
        if (random() < 0.2) void next.go()
        else await next.go()
        afterCall()
      }
      isOver = true
      // On Node 20 a storage in use doubles the time of every await, also in later test files.
      actorOf.disable()
      const error = errors.find((each) => !(each instanceof Killed))
      if (error !== undefined && !isDead) throw asError(error)
    },
  }
}
