/** Reads and hashes, in worker threads, the files that a directory has at the paths of a tree. */
import { batchesOf } from '../../core/slices.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { HashAnswer } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import type { FetchedTree } from './tree-columns.ts'

/** Upper bounds of a task in files and in content bytes; the latter spreads large files over the
 *  workers. */
const taskMax = { count: 128, bytes: 64 * 1024 * 1024 }

/** Calls `onAnswer` with the entries of each task and the results for their paths, in any order.
 *  Errors: the signal's. */
export async function hashPresent(
  { pool, tree, signal }: { pool: FilePool; tree: FetchedTree; signal: AbortSignal },
  ordinals: readonly number[],
  pathOf: (ordinal: number) => string,
  onAnswer: (batch: readonly number[], answer: HashAnswer) => void,
): Promise<void> {
  const batches = [...batchesOf(ordinals, tree.sizeBytes, taskMax)]
  const tasks = batches.map(async (batch) => {
    const paths = batch.map((ordinal) => `${pathOf(ordinal)}\0`).join('')
    onAnswer(batch, await pool.run({ kind: 'check', paths }))
  })
  await untilAborted(Promise.all(tasks), signal)
}
