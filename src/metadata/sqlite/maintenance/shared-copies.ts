/** Measures what would stay of gone artifacts: the copies of their contents that do not die.
 *  Runs after dying-copies.ts, which has recorded in temporary tables which blobs were checked
 *  and which of them die.
 *
 *    1. Record the blobs not checked yet: those of manifests that stay, and parts of composites
 *       that stay.
 *    2. Sum up all recorded blobs that do not die, each copy once. */
import type { Connection } from '../connection/connection.ts'
import type { Question } from './holding.ts'
import { createPaging, createUncheckedPaging, eachOf } from './question-walks.ts'

/** Returns a function that sums the bytes that the manifests of a question hold and that would
 *  stay. */
export function createSharedCopies(
  connection: Connection,
): (parameters: Question, signal: AbortSignal | undefined) => Promise<number> {
  const { prepare } = connection
  const pageUnchecked = createUncheckedPaging(connection)
  const uncheckedReferenced = pageUnchecked('"references"', 'manifest_id', 'blob_id')
  const uncheckedParts = pageUnchecked('composite_parts', 'composite_id', 'ordinal', 'part_id')
  const page = createPaging(connection)
  const asked = page('temp.asked_manifests', 'question', 'manifest_id')
  const checked = page('temp.asked_blobs', 'question', 'blob_id')
  const composites = prepare<[string], { id: number }>(
    'SELECT b.id FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value WHERE b.part_count > 0',
  )
  const staying = prepare<[{ question: number; ids: string }], { bytes: number }>(
    `SELECT coalesce(sum(s.length_bytes), 0) AS bytes
     FROM json_each(@ids) j CROSS JOIN blobs b ON b.id = j.value
     CROSS JOIN streams s ON s.id = b.copy_stream_id
     WHERE NOT EXISTS (SELECT 1 FROM temp.dying_blobs d WHERE d.question = @question AND d.blob_id = b.id)`,
  )
  return async (parameters, signal) => {
    const { question } = parameters
    for await (const manifest of eachOf(asked(question), signal))
      await walk(uncheckedReferenced(parameters, manifest))
    for await (const ids of checked(question)) {
      for (const { id } of composites.all(JSON.stringify(ids)))
        await walk(uncheckedParts(parameters, id))
    }
    let bytes = 0
    for await (const ids of checked(question))
      bytes += staying.get({ question, ids: JSON.stringify(ids) })!.bytes
    return bytes
  }
}

async function walk(steps: AsyncGenerator): Promise<void> {
  while ((await steps.next()).done !== true);
}
