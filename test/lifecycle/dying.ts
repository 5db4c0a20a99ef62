/** Simulates a process that dies at a named step: from then on every call that it makes fails
 *  and changes nothing. */
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'

export interface MortalPorts {
  metadata: Metadata
  packs: PackStore
  now(): number
  checkpoint(name: string): void
}

class Died extends Error {}

/** Runs `work` with ports that die at the `nth` named step passed (from 0). Returns whether they
 *  died. */
export async function runDying(
  { metadata, packs, nth, now }: Omit<MortalPorts, 'checkpoint'> & { nth: number },
  work: (ports: MortalPorts) => Promise<unknown>,
): Promise<boolean> {
  let left = nth
  let dead = false
  const guard = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          if (dead) throw new Died()
          return Reflect.apply(value, target, args)
        }
      },
    })
  const checkpoint = (): void => {
    left -= 1
    if (left >= 0) return
    dead = true
    throw new Died()
  }
  try {
    await work({ metadata: guard(metadata), packs: guard(packs), now, checkpoint })
    return false
  } catch (error) {
    if (!dead) throw error
    return true
  }
}
