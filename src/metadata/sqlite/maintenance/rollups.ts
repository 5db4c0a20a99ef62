/** Compares rollups with the rows they count. Rollups and rows are read on one snapshot, in steps.
 *  Corrections are added as differences, so that concurrent changes stay correct. */
import type { Drift, Metadata, PackOccupancy } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { onSnapshot } from '../connection/snapshot-reading.ts'

/** Rows per step, a twentieth of a second. Of packs, which can have thousands of copies, fewer. */
const rowsPerStep = { artifacts: 10_000, blobs: 10_000, packs: 50 }

const columns = {
  artifacts: 'artifacts',
  files: 'files',
  logicalBytes: 'logical_bytes',
  removedBytes: 'removed_bytes',
  newBytes: 'new_bytes',
  uniqueBytes: 'unique_bytes',
  chunkBytes: 'chunk_bytes',
  storedBytes: 'stored_bytes',
  packs: 'packs',
  liveBytes: 'live_bytes',
} as const

type Totals = Record<keyof typeof columns, number>

/** The live copies as counted, and as stored. */
interface PackRow extends PackOccupancy {
  storedCount: number
  storedBytes: number
}

interface Correction extends Drift {
  apply(): void
}

/** `path`: where the database of the connection is. */
export function createReconciliation(
  { prepare, write, turn }: Connection,
  path: string,
): Metadata['reconcileRollups'] {
  const change = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      name,
      prepare<[number, number]>(`UPDATE totals SET ${column} = ${column} + ? WHERE scope = ?`),
    ]),
  )
  const changePack = prepare<[number, number, number]>(
    'UPDATE packs SET live_count = live_count + ?, live_bytes = live_bytes + ? WHERE id = ?',
  )
  const takeTurn = prepare<[number]>(
    'UPDATE store SET reconciliations = reconciliations + 1 WHERE id = 1 AND reconciliations = ?',
  )

  const compare = ({ totals, packs, stored }: Counts): Correction[] => {
    const found: Correction[] = []
    for (const row of stored) {
      const counted = totals.get(row.scope) ?? emptyTotals()
      const holder = row.scope === 0 ? 'the store' : `project ${row.name ?? row.scope}`
      for (const name of Object.keys(columns) as (keyof Totals)[]) {
        const off = counted[name] - row[name]
        if (off === 0) continue
        const what = `${columns[name]} of ${holder}`
        const apply = (): unknown => change[name]!.run(off, row.scope)
        found.push({ what, stored: row[name], counted: counted[name], apply })
      }
    }
    for (const pack of packs) {
      const count = pack.liveCount - pack.storedCount
      const bytes = pack.liveBytes - pack.storedBytes
      if (count === 0 && bytes === 0) continue
      const [what, was, is] =
        count === 0
          ? [`live_bytes of pack ${pack.name}`, pack.storedBytes, pack.liveBytes]
          : [`live_count of pack ${pack.name}`, pack.storedCount, pack.liveCount]
      const apply = (): unknown => changePack.run(count, bytes, pack.id)
      found.push({ what, stored: was, counted: is, apply })
    }
    return found
  }

  return async (signal) => {
    const step = async (): Promise<void> => {
      await turn()
      signal?.throwIfAborted()
    }
    const counts = await onSnapshot(path, async (snapshot) => await countAll(snapshot, step))
    const found = compare(counts)
    if (found.length === 0) return []
    const isFirst = write(() => {
      // Another call found the same differences in the meantime and has corrected them.
      if (takeTurn.run(counts.reconciliations).changes === 0) return false
      for (const { apply } of found) apply()
      return true
    })
    if (!isFirst) return []
    return found.map(({ what, stored: was, counted }) => ({ what, stored: was, counted }))
  }
}

function emptyTotals(): Totals {
  return Object.fromEntries(Object.keys(columns).map((name) => [name, 0])) as Totals
}

interface Counts {
  totals: Map<number, Totals>
  /** Those whose counters do not agree. */
  packs: PackRow[]
  stored: (Totals & { scope: number; name: string | null })[]
  /** How many reconciliations have corrected something. */
  reconciliations: number
}

/** Counts everything in a snapshot; calls `step` between two statements. */
async function countAll(
  { prepare }: Pick<Connection, 'prepare'>,
  step: () => Promise<void>,
): Promise<Counts> {
  const artifacts = prepare<
    [number, number],
    Sums<'artifacts' | 'files' | 'logicalBytes' | 'newBytes'>
  >(
    `SELECT a.project_id AS scope, count(*) AS artifacts, sum(m.file_count) AS files,
       sum(m.logical_bytes) AS logicalBytes, sum(a.new_bytes) AS newBytes
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id
     WHERE a.id > ? AND a.id <= ? AND a.removed_at IS NULL GROUP BY a.project_id`,
  )
  const removed = prepare<[number, number], Sums<'removedBytes'>>(
    `SELECT a.project_id AS scope, sum(m.logical_bytes) AS removedBytes
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id
     WHERE a.id > ? AND a.id <= ? AND +a.releasable_at IS NOT NULL GROUP BY a.project_id`,
  )
  const chunks = prepare<[number, number], Sums<'chunkBytes'>>(
    `SELECT project_id AS scope, sum(size_bytes) AS chunkBytes FROM blobs
     WHERE id > ? AND id <= ? AND copy_stream_id IS NOT NULL GROUP BY project_id`,
  )
  const uniqueIn = (scope: string, columns: string) =>
    prepare<[number, number], Sums<'uniqueBytes'>>(
      `SELECT ${scope} AS scope, sum(b.size_bytes) AS uniqueBytes
       FROM (SELECT DISTINCT ${columns} FROM "references" INDEXED BY references_by_blob
         WHERE blob_id > ? AND blob_id <= ?) r CROSS JOIN blobs b ON b.id = r.blob_id
       GROUP BY 1`,
    )
  const unique = [uniqueIn('0', 'blob_id'), uniqueIn('r.project_id', 'blob_id, project_id')]
  const packs = prepare<[number, number], PackRow>(
    `SELECT p.id, p.name, p.size_bytes AS sizeBytes, p.copy_count AS copyCount, p.copy_bytes AS copyBytes,
       p.live_count AS storedCount, p.live_bytes AS storedBytes,
       count(s.id) AS liveCount, coalesce(sum(s.length_bytes), 0) AS liveBytes
     FROM packs p LEFT JOIN streams s ON s.pack_id = p.id
     WHERE p.id > ? AND p.id <= ? GROUP BY p.id`,
  )
  const stored = prepare<[], Counts['stored'][number]>(
    `SELECT t.scope, p.owner_repo AS name,
       ${Object.entries(columns)
         .map(([name, column]) => `t.${column} AS ${name}`)
         .join(', ')}
     FROM totals t LEFT JOIN projects p ON p.id = t.scope`,
  )
  const count = prepare<[], Pick<Counts, 'reconciliations'>>(
    'SELECT reconciliations FROM store WHERE id = 1',
  )
  const totals = new Map<number, Totals>()
  const add = (scope: number, what: Partial<Totals>): void => {
    let sum = totals.get(scope)
    if (sum === undefined) totals.set(scope, (sum = emptyTotals()))
    for (const [name, value] of Object.entries(what)) sum[name as keyof Totals] += value
  }
  const addWithStore = ({ scope, ...what }: Sums<never>): void => {
    for (const each of [0, scope]) add(each, what)
  }
  for await (const ids of inPages(prepare, 'artifacts', step)) {
    for (const sums of artifacts.all(...ids)) addWithStore(sums)
    for (const sums of removed.all(...ids)) addWithStore(sums)
  }
  for await (const ids of inPages(prepare, 'blobs', step)) {
    for (const sums of chunks.all(...ids)) addWithStore(sums)
    for (const { scope, ...sums } of unique.flatMap((each) => each.all(...ids))) add(scope, sums)
  }
  const off: PackRow[] = []
  for await (const ids of inPages(prepare, 'packs', step)) {
    for (const pack of packs.all(...ids)) {
      add(0, { packs: 1, storedBytes: pack.sizeBytes, liveBytes: aliveBytes(pack) })
      if (pack.liveCount !== pack.storedCount || pack.liveBytes !== pack.storedBytes) off.push(pack)
    }
  }
  return { totals, packs: off, stored: stored.all(), ...count.get()! }
}

/** The formula of pack-counters.ts. */
function aliveBytes({ sizeBytes, copyCount, copyBytes, liveCount, liveBytes }: PackRow): number {
  if (liveCount === 0) return 0
  return liveBytes + Math.trunc(((sizeBytes - copyBytes) * liveCount) / copyCount)
}

type Sums<Name extends keyof Totals> = { scope: number } & Pick<Totals, Name>

/** Yields ranges of ids, after one and up to another, that cover a table. */
async function* inPages(
  prepare: Connection['prepare'],
  table: keyof typeof rowsPerStep,
  step: () => Promise<void>,
): AsyncGenerator<[after: number, upTo: number], void, undefined> {
  const next = prepare<[number], { id: number }>(
    `SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ${rowsPerStep[table] - 1}`,
  )
  for (let after = 0; after < Number.MAX_SAFE_INTEGER;) {
    const upTo = next.get(after)?.id ?? Number.MAX_SAFE_INTEGER
    yield [after, upTo]
    await step()
    after = upTo
  }
}
