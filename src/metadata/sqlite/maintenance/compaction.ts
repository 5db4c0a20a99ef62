/** Compaction: which packs waste space, what in them is alive, and moving a copy to another
 *  pack. A row is moved only if it still points at the place that was copied, so a copy that
 *  died or was healed in the meantime stays as it is. */
import { sessionState } from '../../../../schema/sessions.ts'
import { isDeadBeyond, isTiny, packState, streamState } from '../../../../schema/content.ts'
import { digestFromBytes } from '../../../core/bytes/digest.ts'
import type { CopyMove, DeadPack, Metadata, PackedCopy, PackOccupancy } from '../../metadata.ts'
import { codecs } from '../connection/codecs.ts'
import type { Connection } from '../connection/connection.ts'
import { createPackCounter, type PackChange } from '../blobs/pack-counters.ts'
import { createPackRows, occupancyColumns } from '../blobs/packs.ts'
import { newestReadLease, type UnwrittenLeases } from '../artifacts/read-leases.ts'

/** SQL that is true while the upload that wrote pack `p` is in progress: until it ends, the pack
 *  stays, whatever is alive in it. */
const isUploading = `EXISTS (SELECT 1 FROM sessions n WHERE n.id = p.session_id AND n.state = ${sessionState.live})`

/** Each move of a copy changes two index rows. */
const movesPerStep = 25

type SealedPack = Parameters<Metadata['moveCopies']>[0]

export function createPackListing({
  prepare,
}: Connection): Pick<Metadata, 'listWastefulPacks' | 'readPackCopies'> {
  const listBy = (index: string, condition: string) =>
    prepare<[number, number], PackOccupancy>(
      `SELECT ${occupancyColumns} FROM packs p INDEXED BY ${index}
       WHERE ${condition} AND NOT ${isUploading} AND p.id > ? ORDER BY p.id LIMIT ?`,
    )
  const lists = {
    halfDead: listBy('packs_half_dead', isDeadBeyond(2)),
    partlyDead: listBy('packs_partly_dead', isDeadBeyond(20)),
    tiny: listBy('packs_tiny', isTiny),
  }
  const copies = prepare<[number, number, number, number], CopyRow>(
    `SELECT s.id AS streamId, s.codec, s."offset", s.length_bytes AS lengthBytes, s.checks, s.state,
       s.digest AS streamDigest, b.digest, b.size_bytes AS sizeBytes, b.crc32
     FROM streams s CROSS JOIN blobs b ON b.id = s.blob_id
     WHERE s.pack_id = ? AND (s."offset", s.length_bytes) > (?, ?)
     ORDER BY s."offset", s.length_bytes LIMIT ?`,
  )
  return {
    listWastefulPacks: async (waste, { after, limit }) => lists[waste].all(after, limit),
    readPackCopies: async (packId, { after, limit }) =>
      copies.all(packId, after?.offset ?? -1, after?.lengthBytes ?? 0, limit).map(toPackedCopy),
  }
}

interface CopyRow {
  streamId: number
  codec: number
  offset: number
  lengthBytes: number
  checks: Buffer
  state: number
  streamDigest: Buffer
  digest: Buffer
  sizeBytes: number
  crc32: number
}

function toPackedCopy(row: CopyRow): PackedCopy {
  const { streamId, offset, lengthBytes, checks, sizeBytes, crc32 } = row
  return {
    streamId,
    streamDigest: digestFromBytes(row.streamDigest),
    codec: codecs[row.codec]!,
    offset,
    lengthBytes,
    checks,
    damaged: row.state === streamState.damaged,
    blob: { digest: digestFromBytes(row.digest), sizeBytes, crc32 },
  }
}

export function createCopyMoving(connection: Connection): Metadata['moveCopies'] {
  const { prepare, stageInSteps } = connection
  const packs = createPackRows(connection)
  const countLive = createPackCounter(connection)
  const move = prepare<[number, number, number, number, number]>(
    `UPDATE streams SET pack_id = ?, "offset" = ? WHERE id = ? AND pack_id = ? AND "offset" = ?`,
  )

  /** The pack and its first rows appear in one transaction, so that nobody finds it empty and
   *  claims it as dead, unless those copies died or were moved by another compaction in the
   *  meantime. Undefined when that has happened. The remaining copies then stay where they are. */
  const openPack = (pack: SealedPack, isFirst: boolean): number | undefined => {
    const known = packs.find(pack.name)
    if (known === undefined && isFirst)
      return packs.add({ ...pack, state: packState.whole, sessionId: 0 })
    return known?.state === packState.dead ? undefined : known?.id
  }

  const moveSome = (packId: number, moves: CopyMove[]): void => {
    const changes: PackChange[] = []
    for (const { streamId, fromPackId, fromOffset, offset, lengthBytes: bytes } of moves) {
      if (move.run(packId, offset, streamId, fromPackId, fromOffset).changes === 0) continue
      changes.push({ packId, count: 1, bytes }, { packId: fromPackId, count: -1, bytes: -bytes })
    }
    countLive(changes)
  }

  return async (pack, moves) => {
    let start = 0
    await stageInSteps(() => {
      const packId = openPack(pack, start === 0)
      if (packId === undefined) return false
      moveSome(packId, moves.slice(start, (start += movesPerStep)))
      return start < moves.length
    })
  }
}

export function createPackRemoval(
  connection: Connection,
  unwritten: UnwrittenLeases,
): Pick<Metadata, 'claimDeadPacks' | 'listDeadPacks' | 'removePackRow'> {
  const { prepare, write } = connection
  const packs = createPackRows(connection)
  // The counter finds candidates; the stream rows decide. Packs claimed before a crash are listed
  // again.
  const isDead = `NOT EXISTS (SELECT 1 FROM streams s WHERE s.pack_id = p.id)
    AND NOT ${isUploading}`
  const claim = prepare<[number, number]>(
    `UPDATE packs SET state = ${packState.dead}, died_at = ?, last_reader = ${newestReadLease}
     WHERE id IN
       (SELECT p.id FROM packs p INDEXED BY packs_empty
        WHERE p.live_count = 0 AND p.died_at IS NULL AND ${isDead} LIMIT ?)`,
  )
  const listWhere = (condition: string) =>
    prepare<[number, number, number, number], DeadPackRow>(
      `SELECT p.id, p.name, p.size_bytes AS sizeBytes, coalesce(p.died_at, ?) AS diedAt,
         EXISTS (SELECT 1 FROM read_leases l
           WHERE l.id <= coalesce(p.last_reader, ${newestReadLease}) AND l.until > ?) AS isRead
       FROM packs p INDEXED BY packs_empty
       WHERE p.live_count = 0 AND (${condition}) AND p.id > ? ORDER BY p.id LIMIT ?`,
    )
  const claimed = listWhere('p.died_at IS NOT NULL')
  const claimable = listWhere(`p.died_at IS NOT NULL OR (${isDead})`)
  const listBy = (statement: typeof claimed, now: number, page: Page): DeadPack[] => {
    const rows = statement.all(now, now, page.after, page.limit)
    const isReadUnwritten = unwritten.anyAt(now)
    return rows.map((row) => ({ ...row, isRead: row.isRead === 1 || isReadUnwritten }))
  }
  return {
    claimDeadPacks: async (now, page) =>
      write(() => {
        claim.run(now, page.limit)
        return listBy(claimed, now, page)
      }),
    listDeadPacks: async (now, page) => listBy(claimable, now, page),
    removePackRow: async (name) => {
      write(() => packs.remove(name))
    },
  }
}

type DeadPackRow = Omit<DeadPack, 'isRead'> & { isRead: number }
type Page = Parameters<Metadata['listDeadPacks']>[1]
