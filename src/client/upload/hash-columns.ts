/** Results of hashing the files of a tree, in columns that grow as results arrive. */
import { type HashAnswer, hashColumns } from '../files/file-tasks.ts'
import { digestBytes } from '../../core/bytes/digest.ts'

/** `stats`, `digests` and `settled` may be reallocated by each call. */
export interface HashColumns {
  /** `hashColumns` numbers per entry. */
  readonly stats: Float64Array
  readonly digests: Buffer
  /** 1 for a file whose stats may be recorded. */
  readonly settled: Uint8Array
  /** Makes room for `count` entries. */
  reserve(count: number): void
  /** Stores the results of the files `ordinals`, which ascend. */
  fill(ordinals: readonly number[], answer: HashAnswer): void
}

export function createHashColumns(): HashColumns {
  let room = 1024
  let stats = new Float64Array(room * hashColumns)
  let digests = Buffer.alloc(room * digestBytes)
  let settled = new Uint8Array(room)
  const reserve = (count: number): void => {
    if (count <= room) return
    room = Math.max(count, Math.ceil(room * 1.5))
    const [oldStats, oldDigests, oldSettled] = [stats, digests, settled]
    stats = new Float64Array(room * hashColumns)
    stats.set(oldStats)
    digests = Buffer.alloc(room * digestBytes)
    digests.set(oldDigests)
    settled = new Uint8Array(room)
    settled.set(oldSettled)
  }
  return {
    get stats() {
      return stats
    },
    get digests() {
      return digests
    },
    get settled() {
      return settled
    },
    reserve,
    fill: (ordinals, answer) => {
      reserve((ordinals.at(-1) ?? 0) + 1)
      for (const [index, ordinal] of ordinals.entries()) {
        stats.set(
          answer.stats.subarray(index * hashColumns, (index + 1) * hashColumns),
          ordinal * hashColumns,
        )
        digests.set(
          answer.digests.subarray(index * digestBytes, (index + 1) * digestBytes),
          ordinal * digestBytes,
        )
        settled[ordinal] = answer.settled[index]!
      }
    },
  }
}
