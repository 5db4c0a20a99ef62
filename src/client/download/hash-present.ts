/** Reads and hashes, in worker threads, the files that a directory has at the paths of a tree. */
import type { FilePool } from '../files/file-pool.ts'
import type { HashAnswer } from '../files/file-tasks.ts'
import { untilAborted } from '../files/until-aborted.ts'
import type { FetchedTree } from './tree-columns.ts'

/** Upper bounds of a task in files and in content bytes; the latter spreads large files over the
 *  workers. */
const filesPerTask = 128
const bytesPerTask = 64 * 1024 * 1024

/** Calls `onAnswer` with the entries of each task and the results for their paths, in any order.
 *  Errors: the signal's. */
export async function hashPresent(
  { pool, tree, signal }: { pool: FilePool; tree: FetchedTree; signal: AbortSignal },
  ordinals: readonly number[],
  pathOf: (ordinal: number) => string,
  onAnswer: (batch: readonly number[], answer: HashAnswer) => void,
): Promise<void> {
  const tasks: Promise<void>[] = []
  for (const batch of batchesOf(tree, ordinals)) {
    const paths = batch.map((ordinal) => `${pathOf(ordinal)}\0`).join('')
    const task = pool.run({ kind: 'check', paths }).then((answer) => onAnswer(batch, answer))
    task.catch(() => {})
    tasks.push(task)
  }
  await untilAborted(Promise.all(tasks), signal)
}

function* batchesOf(tree: FetchedTree, ordinals: readonly number[]): Iterable<number[]> {
  let batch: number[] = []
  let bytes = 0
  for (const ordinal of ordinals) {
    batch.push(ordinal)
    bytes += tree.sizeBytes(ordinal)
    if (batch.length < filesPerTask && bytes < bytesPerTask) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}
