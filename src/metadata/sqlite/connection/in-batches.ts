import type { Connection } from './connection.ts'

/** Artifacts of one transaction: each commit waits for the disk, as long as a hundred of them take. */
const batch = 100

/** Runs `change` for each of the ids in a few durable transactions, with a turn for others after each; answers those for
 *  which it answered true. `onChanged` is told of them at the end of each transaction. */
export async function writeInBatches(
  { write, turn }: Connection,
  ids: number[],
  change: (id: number) => boolean,
  onChanged: (ids: number[]) => void,
): Promise<number[]> {
  const changed: number[] = []
  for (let at = 0; at < ids.length; at += batch) {
    const part = write(() => {
      const done = ids.slice(at, at + batch).filter((id) => change(id))
      onChanged(done)
      return done
    })
    changed.push(...part)
    await turn()
  }
  return changed
}
