import { slicesOf } from '../../../core/slices.ts'
import type { Connection } from './connection.ts'

/** Artifacts per transaction: each commit waits for the disk, about as long as a hundred
 *  artifacts take. */
const batch = 100

/** Runs `change` for each id in a few durable transactions, yielding after each; returns the ids
 *  for which it returned true. `onChanged` receives them at the end of each transaction. */
export async function writeInBatches(
  { write, turn }: Connection,
  ids: number[],
  change: (id: number) => boolean,
  onChanged: (ids: number[]) => void,
): Promise<number[]> {
  const changed: number[] = []
  for (const some of slicesOf(ids, batch)) {
    const part = write(() => {
      const done = some.filter((id) => change(id))
      onChanged(done)
      return done
    })
    changed.push(...part)
    await turn()
  }
  return changed
}
