/** Sort orders for lists of artifacts. */
import { comparePaths } from './entry.ts'

export type ArtifactSort = 'newest' | 'oldest' | 'largest' | 'expiring' | 'costliest' | 'name'

type Direction = 'up' | 'down'

export interface ArtifactOrder {
  by: 'id' | 'logicalBytes' | 'newBytes' | 'endsAt' | 'name'
  direction: Direction
  /** Tie-breaker: the direction of ids among equal keys. */
  ids: Direction
}

export const artifactOrders: Record<ArtifactSort, ArtifactOrder> = {
  newest: { by: 'id', direction: 'down', ids: 'down' },
  oldest: { by: 'id', direction: 'up', ids: 'up' },
  largest: { by: 'logicalBytes', direction: 'down', ids: 'down' },
  expiring: { by: 'endsAt', direction: 'up', ids: 'up' },
  costliest: { by: 'newBytes', direction: 'down', ids: 'down' },
  name: { by: 'name', direction: 'up', ids: 'down' },
}

/** Sort key for natural order: `shard-2` comes before `shard-10`. Each number is prefixed with its
 *  digit count, so numbers compare by value. */
export function nameKey(name: string): string {
  return name.replaceAll(/\d+/g, (digits) => {
    const number = digits.replace(/^0+(?=\d)/, '')
    return String(number.length).padStart(3, '0') + number
  })
}

/** An artifact's sort key, with its id as the tie-breaker. */
export interface Ranked {
  id: number
  key: number | string
}

/** Text keys compare by their UTF-8 bytes, like paths. */
export function comparison({ direction, ids }: ArtifactOrder): (a: Ranked, b: Ranked) => number {
  const signs = { up: 1, down: -1 }
  return (a, b) => {
    const byKey =
      typeof a.key === 'number' ? a.key - (b.key as number) : comparePaths(a.key, b.key as string)
    return byKey === 0 ? signs[ids] * (a.id - b.id) : signs[direction] * byKey
  }
}
