/** Measures what would be freed if certain artifacts were gone, by counting the same rows as
 *  sweep without changing any: it starts from manifests that no artifact and no session would
 *  hold, and continues in dying-copies.ts. The cost is a few index lookups per reference of the
 *  artifacts, in steps that yield to other calls. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { limits } from '../../../core/limits.ts'
import { slicesOf } from '../../../core/slices.ts'
import type { DyingPack, Metadata, PackOccupancy, RemovalQuestion } from '../../metadata.ts'
import { isBeingRead } from '../artifacts/read-leases.ts'
import { occupancyColumns } from '../blobs/packs.ts'
import type { Connection } from '../connection/connection.ts'
import { type Dying, createDyingCopies } from './dying-copies.ts'
import type { Question } from './holding.ts'
import { createSharedCopies } from './shared-copies.ts'

export function createRemovalMeasuring(connection: Connection): Metadata['measureRemoval'] {
  const { prepare } = connection
  const { gather, forget } = createDyingCopies(connection)
  const addShared = createSharedCopies(connection)
  const findHolders = createHolderSearch(connection)
  const occupancy = prepare<[string], PackOccupancy>(
    `SELECT ${occupancyColumns} FROM json_each(?) j CROSS JOIN packs p ON p.id = j.value`,
  )
  let questions = 0

  const describe = (dying: Dying): DyingPack[] => {
    const packs: DyingPack[] = []
    for (const page of slicesOf([...dying.keys()], limits.transactionRowsMax)) {
      for (const pack of occupancy.all(JSON.stringify(page))) {
        const { count, bytes } = dying.get(pack.id)!
        packs.push({ ...pack, dyingCount: count, dyingBytes: bytes })
      }
    }
    return packs
  }

  return async (asked, signal) => {
    const question = ++questions
    const parameters = parametersOf(question, asked)
    try {
      const dying: Dying = new Map()
      const { expired, released } = await findHolders(question, asked, signal)
      await gather(parameters, { garbage: asked.artifactIds === null, signal }, dying)
      const sharedBytes = asked.shared ? await addShared(parameters, signal) : 0
      return { expired, released, packs: describe(dying), sharedBytes }
    } finally {
      // Whoever stops closes the connection, which takes less time.
      if (signal?.aborted !== true) await forget(question)
    }
  }
}

function parametersOf(
  question: number,
  { artifactIds, releasableBy, readersHold, now }: RemovalQuestion,
): Question {
  const expiredBy = artifactIds === null ? now : -1
  return { question, expiredBy, releasableBy, readBy: readersHold ? now : null, now }
}

/** Returns a function that notes what the artifacts of a question hold, their manifests and
 *  contents, in temporary tables (dying-copies.ts), and what sessions past their lease hold, which
 *  a round ends first. It counts the artifacts that are live but expired, and those that are
 *  removed and held by nobody. */
function createHolderSearch({
  prepare,
  turn,
}: Connection): (
  question: number,
  asked: RemovalQuestion,
  signal: AbortSignal | undefined,
) => Promise<{ expired: number; released: number }> {
  const noteIn = (table: string, column: string) =>
    prepare<[number, string]>(
      `INSERT OR IGNORE INTO temp.${table} (question, ${column})
       SELECT ?, j.value FROM json_each(?) j`,
    )
  const noteManifests = noteIn('asked_manifests', 'manifest_id')
  const noteContents = noteIn('asked_contents', 'content_id')
  const nameGone = noteIn('gone_artifacts', 'artifact_id')
  const named = prepare<[string], HolderRow>(
    `SELECT a.manifest_id AS manifestId, a.content_id AS contentId
     FROM json_each(?) j CROSS JOIN artifacts a ON a.id = j.value`,
  )
  const expired = prepare<[number, number, number, number], Holder>(
    `SELECT a.ends_at AS at, a.id, a.manifest_id AS manifestId, a.content_id AS contentId
     FROM artifacts a INDEXED BY artifacts_ending
     WHERE a.removed_at IS NULL AND a.ends_at <= ? AND (a.ends_at, a.id) > (?, ?)
     ORDER BY a.ends_at, a.id LIMIT ?`,
  )
  const releasable = prepare<[number, number, number, number, number], Holder & { isRead: number }>(
    `SELECT a.releasable_at AS at, a.id, a.manifest_id AS manifestId, a.content_id AS contentId,
       ${isBeingRead} AS isRead
     FROM artifacts a INDEXED BY artifacts_releasable
     WHERE a.releasable_at IS NOT NULL AND a.releasable_at <= ? AND (a.releasable_at, a.id) > (?, ?)
     ORDER BY a.releasable_at, a.id LIMIT ?`,
  )
  const dyingManifests = prepare<[number, number], Holder>(
    `SELECT 0 AS at, id, id AS manifestId, NULL AS contentId FROM manifests
     WHERE state = ${manifestState.dying} AND id > ? ORDER BY id LIMIT ?`,
  )
  const uncleared = prepare<[number, number], Holder>(
    `SELECT 0 AS at, id, manifest_id AS manifestId, content_id AS contentId
     FROM artifacts INDEXED BY artifacts_uncleared
     WHERE removed_at IS NOT NULL AND releasable_at IS NULL AND content_id IS NOT NULL AND id > ?
     ORDER BY id LIMIT ?`,
  )
  const unleased = prepare<[number, number, number, number], Position>(
    `SELECT leased_until AS at, id FROM sessions INDEXED BY sessions_by_lease
     WHERE leased_until <= ? AND (leased_until, id) > (?, ?) ORDER BY leased_until, id LIMIT ?`,
  )
  // What their staged manifests refer to, they lease, or it is from a manifest that they lease.
  const noteLeasedManifests = prepare<[number, string]>(
    `INSERT OR IGNORE INTO temp.asked_manifests (question, manifest_id)
     SELECT ?, l.manifest_id FROM json_each(?) j CROSS JOIN manifest_leases l ON l.session_id = j.value`,
  )
  return async (question, asked, signal) => {
    const note = (rows: HolderRow[]): void => {
      const contents = rows.flatMap(({ contentId }) => contentId ?? [])
      noteManifests.run(question, JSON.stringify(rows.map(({ manifestId }) => manifestId)))
      noteContents.run(question, JSON.stringify(contents))
    }
    const page = limits.transactionRowsMax
    for (const slice of slicesOf(asked.artifactIds ?? [], page)) {
      signal?.throwIfAborted()
      const ids = JSON.stringify(slice)
      nameGone.run(question, ids)
      note(named.all(ids))
      await turn()
    }
    if (asked.artifactIds !== null) return { expired: 0, released: 0 }
    const noteSessions = (rows: Position[]): void => {
      const sessions = JSON.stringify(rows.map(({ id }) => id))
      noteContents.run(question, sessions)
      noteLeasedManifests.run(question, sessions)
    }
    const walk = async <Row extends Position>(
      after: (last: Position) => Row[],
      noteRows: (rows: Row[]) => void,
      counts: (row: Row) => boolean = () => true,
    ): Promise<number> => {
      let count = 0
      for (let last: Position = { at: -1, id: 0 }; ;) {
        const rows = after(last)
        if (rows.length === 0) return count
        signal?.throwIfAborted()
        noteRows(rows)
        count += rows.filter(counts).length
        last = rows.at(-1)!
        await turn()
      }
    }
    const counts = {
      expired: await walk<Holder>(({ at, id }) => expired.all(asked.now, at, id, page), note),
      released: await walk<Holder & { isRead: number }>(
        ({ at, id }) => releasable.all(asked.now, asked.releasableBy, at, id, page),
        note,
        ({ isRead }) => isRead === 0 || !asked.readersHold,
      ),
    }
    await walk<Holder>(({ id }) => dyingManifests.all(id, page), note)
    await walk<Holder>(({ id }) => uncleared.all(id, page), note)
    await walk(({ at, id }) => unleased.all(asked.now, at, id, page), noteSessions)
    return counts
  }
}

interface HolderRow {
  manifestId: number
  contentId: number | null
}
interface Position {
  at: number
  id: number
}
type Holder = HolderRow & Position
