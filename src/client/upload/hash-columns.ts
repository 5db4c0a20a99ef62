/** Results of hashing the files of a tree, in columns that grow as results arrive. */
import { type HashAnswer, hashColumns } from '../files/file-tasks.ts'
import { digestBytes } from '../../core/bytes/digest.ts'

/** `stats`, `digests` and `settled` may be reallocated by each call; they may be shorter than the
 *  tree. */
export interface HashColumns {
  /** `hashColumns` numbers per entry. */
  readonly stats: Float64Array
  readonly digests: Buffer
  /** 1 for a file whose stats may be recorded. */
  readonly settled: Uint8Array
  /** Stores the results of the files `ordinals`, which ascend. */
  fill(ordinals: readonly number[], answer: HashAnswer): void
}

export function createHashColumns(): HashColumns {
  const reserve = (count: number): void => {
    const room = columns.settled.length
    if (count <= room) return
    const { stats, digests, settled } = columns
    Object.assign(columns, columnsFor(Math.max(count, Math.ceil(room * 1.5))))
    columns.stats.set(stats)
    columns.digests.set(digests)
    columns.settled.set(settled)
  }
  const columns = {
    ...columnsFor(1024),
    fill: (ordinals: readonly number[], answer: HashAnswer): void => {
      reserve((ordinals.at(-1) ?? 0) + 1)
      for (const [index, ordinal] of ordinals.entries()) {
        columns.stats.set(
          answer.stats.subarray(index * hashColumns, (index + 1) * hashColumns),
          ordinal * hashColumns,
        )
        columns.digests.set(
          answer.digests.subarray(index * digestBytes, (index + 1) * digestBytes),
          ordinal * digestBytes,
        )
        columns.settled[ordinal] = answer.settled[index]!
      }
    },
  }
  return columns
}

function columnsFor(room: number): Pick<HashColumns, 'stats' | 'digests' | 'settled'> {
  return {
    stats: new Float64Array(room * hashColumns),
    digests: Buffer.alloc(room * digestBytes),
    settled: new Uint8Array(room),
  }
}
