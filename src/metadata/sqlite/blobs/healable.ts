/** Finds damaged blobs that can be healed with another stream, and what holds them. */
import { manifestState } from '../../../../schema/artifacts.ts'
import { streamState, unreadableStates } from '../../../../schema/content.ts'
import { limits } from '../../../core/limits.ts'
import type { Healing, Metadata } from '../../metadata.ts'
import { codecNumber } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'
import { stretchRowsMax } from '../connection/stretches.ts'

interface HealableRow {
  blobId: number
  streamId: number
  oldStreamId: number | null
  replacesCopy: number
  replacesJoining: number
  lengthDelta: number
  /** Orders the rows of a source; the next ones come after it. */
  place: number
}

/** Finds at most `count` rows after a place, and where to continue; undefined at the end. */
type Source = (after: number, count: number) => { rows: HealableRow[]; next: number | undefined }

export function createHealingSearch(connection: Connection): Metadata['listHealings'] {
  const { read, turn } = connection
  const holders = createHolderLookUp(connection)
  const everywhere = createSources(connection)
  const amongThese = createChosenSources(connection)
  return async ({ limit, after, blobIds }) => {
    const sources = blobIds === undefined ? everywhere : amongThese(blobIds)
    const healings: Healing[] = []
    let { source, place } = after ?? { source: 0, place: 0 }
    while (source < sources.length && healings.length < limit) {
      const { rows, next } = sources[source]!(place, limit - healings.length)
      for (const row of rows) {
        const healing = read(() => healingOf(row, holders))
        if (healing !== undefined) healings.push(healing)
        await turn()
      }
      if (next === undefined) source += 1
      place = next ?? 0
      await turn()
    }
    return { healings, next: source < sources.length ? { source, place } : null }
  }
}

/** What healing the blob changes; undefined for a busy blob, whose holders need not be measured. */
function healingOf(row: HealableRow, holders: HolderLookUp): Healing | undefined {
  const { blobId, streamId, oldStreamId } = row
  const replacesJoining = row.replacesJoining === 1
  const joinedDeltas = replacesJoining ? holders.composites(blobId, row.lengthDelta) : []
  const blobIds = [blobId, ...joinedDeltas.map((each) => each.blobId)]
  // A blob held by few artifacts has few manifests, so `areStaged` is cheap after this.
  const artifacts = holders.artifacts(blobIds)
  if (artifacts === undefined || holders.areStaged(blobIds)) return undefined
  return {
    blobId,
    streamId,
    composite: null,
    oldStreamId,
    replacesCopy: row.replacesCopy === 1,
    replacesJoining,
    joinedDeltas,
    holders: artifacts,
  }
}

/** In the statements below, `b` is a damaged blob, `d` its damaged stream, and `n` a sound one.
 *  Only a joining stream can replace a joining stream, because parts have to join. */
const replacesJoining = `(b.joining_stream_id IS d.id AND n.codec = ${codecNumber.joining})`
const isReplaceable = `(b.copy_stream_id IS d.id OR ${replacesJoining})`
const replaceableColumns = `SELECT b.id AS blobId, n.id AS streamId, d.id AS oldStreamId,
  b.copy_stream_id IS d.id AS replacesCopy, ${replacesJoining} AS replacesJoining,
  n.length_bytes - d.length_bytes AS lengthDelta`
const isJoinable = `b.state IN ${unreadableStates} AND b.part_count > 0`
const joinableColumns = `SELECT b.id AS blobId, n.id AS streamId, NULL AS oldStreamId,
  1 AS replacesCopy, 0 AS replacesJoining, 0 AS lengthDelta`

/** The damaged blobs that have a sound stream of other bytes: first those whose serving or joining
 *  copy is a stream, then composites. Scans everything damaged, a stretch at a time. */
function createSources({ prepare }: Connection): Source[] {
  const replaceable = prepare<[number, number, number], HealableRow>(
    `${replaceableColumns}, d.id AS place
     FROM streams d INDEXED BY streams_damaged
     CROSS JOIN blobs b ON b.id = d.blob_id
     CROSS JOIN streams n ON n.blob_id = b.id AND n.state = ${streamState.live}
     WHERE d.state = ${streamState.damaged} AND d.id > ? AND d.id <= ? AND ${isReplaceable}
     GROUP BY d.id ORDER BY d.id LIMIT ?`,
  )
  const joinable = prepare<[number, number, number], HealableRow>(
    `${joinableColumns}, b.id AS place
     FROM blobs b INDEXED BY blobs_damaged
     CROSS JOIN streams n ON n.blob_id = b.id AND n.state = ${streamState.live}
     WHERE b.id > ? AND b.id <= ? AND ${isJoinable}
     GROUP BY b.id ORDER BY b.id LIMIT ?`,
  )
  const endOf = (damaged: string) =>
    prepare<[number, number], { id: number }>(
      `SELECT id FROM ${damaged} AND id > ? ORDER BY id LIMIT 1 OFFSET ?`,
    )
  const streamEnd = endOf(`streams INDEXED BY streams_damaged WHERE state = ${streamState.damaged}`)
  const blobEnd = endOf(`blobs INDEXED BY blobs_damaged WHERE state IN ${unreadableStates}`)
  const stretches = [
    { found: replaceable, end: streamEnd },
    { found: joinable, end: blobEnd },
  ]
  return stretches.map(({ found, end }) => (after, count) => {
    const last = end.get(after, stretchRowsMax - 1)?.id
    const rows = found.all(after, last ?? Number.MAX_SAFE_INTEGER, count)
    return { rows, next: rows.length === count ? rows.at(-1)!.place : last }
  })
}

/** Returns a function that finds the same among a few blobs. */
function createChosenSources({ prepare }: Connection): (blobIds: number[]) => Source[] {
  const chosen = 'FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value'
  const sound = `CROSS JOIN streams n ON n.blob_id = b.id AND n.state = ${streamState.live}`
  const inOrder = 'GROUP BY b.id ORDER BY b.id LIMIT ?'
  // A blob with two damaged streams gets one row. The caller looks again once it has healed one.
  const replaceable = prepare<[string, number, number], HealableRow>(
    `${replaceableColumns}, b.id AS place ${chosen}
     CROSS JOIN streams d ON d.blob_id = b.id AND d.state = ${streamState.damaged} ${sound}
     WHERE b.id > ? AND ${isReplaceable} ${inOrder}`,
  )
  const joinable = prepare<[string, number, number], HealableRow>(
    `${joinableColumns}, b.id AS place ${chosen} ${sound}
     WHERE b.id > ? AND ${isJoinable} ${inOrder}`,
  )
  return (blobIds) => {
    const ids = JSON.stringify(blobIds)
    return [replaceable, joinable].map((found) => (after, count) => {
      const rows = found.all(ids, after, count)
      return { rows, next: rows.length === count ? rows.at(-1)!.place : undefined }
    })
  }
}

export interface HolderLookUp {
  /** Composites over a part, and by how much each grows when the part's stream grows by
   *  `lengthDelta`. */
  composites(partId: number, lengthDelta: number): Healing['joinedDeltas']
  /** Artifacts that hold any of the blobs and still have their rows, by id; undefined when there
   *  are too many. */
  artifacts(blobIds: number[]): Healing['holders'] | undefined
  /** Whether a manifest that an upload is about to publish refers to any of the blobs. What comes
   *  from the base of changes is looked up anew when it is staged. */
  areStaged(blobIds: number[]): boolean
}

export function createHolderLookUp({ prepare }: Connection): HolderLookUp {
  const composites = prepare<[number, number], Healing['joinedDeltas'][number]>(
    `SELECT composite_id AS blobId, count(*) * ? AS delta FROM composite_parts WHERE part_id = ?
     GROUP BY composite_id`,
  )
  // An artifact that holds two of the blobs appears twice and counts twice.
  const artifacts = prepare<[string], Healing['holders'][number]>(
    `SELECT a.id AS artifactId, a.manifest_id AS manifestId, a.kind, a.version
     FROM json_each(?) j
     CROSS JOIN "references" r ON r.blob_id = j.value
     CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE a.removed_at IS NULL OR a.releasable_at IS NOT NULL
     LIMIT ${limits.healedArtifactsMax + 1}`,
  )
  const staged = prepare<[string]>(
    `SELECT 1 FROM json_each(?) j
     CROSS JOIN "references" r ON r.blob_id = j.value
     CROSS JOIN manifests m ON m.id = r.manifest_id
     WHERE m.state = ${manifestState.staged} OR EXISTS (SELECT 1 FROM manifest_leases l
       WHERE l.manifest_id = m.id AND l.is_base = 0) LIMIT 1`,
  )
  return {
    composites: (partId, lengthDelta) => composites.all(lengthDelta, partId),
    artifacts: (blobIds) => {
      const rows = artifacts.all(JSON.stringify(blobIds))
      if (rows.length > limits.healedArtifactsMax) return undefined
      const byId = new Map(rows.map((row) => [row.artifactId, row]))
      return [...byId.values()].sort((a, b) => a.artifactId - b.artifactId)
    },
    areStaged: (blobIds) => staged.get(JSON.stringify(blobIds)) !== undefined,
  }
}
