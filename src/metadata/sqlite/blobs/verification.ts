/** Metadata for scrub: which packs are due, and the results of reading their copies back. Times
 *  are kept per pack, because packs are read whole: one row changes instead of thousands. A
 *  verdict counts only while the copy still lies where it was read, since compaction and healing
 *  may have moved it. */
import { packState, streamState } from '../../../../schema/content.ts'
import type { Metadata, UnverifiedPack } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import type { Damage } from './damage.ts'
import { occupancyColumns } from './packs.ts'

type VerificationMethods = Pick<
  Metadata,
  'listUnverifiedPacks' | 'judgeCopies' | 'recordVerification'
>

const ever = Number.MAX_SAFE_INTEGER

export function createVerificationMethods(
  { prepare, write, stage }: Connection,
  damage: Damage,
): VerificationMethods {
  const list = prepare<[number, number, number, number, number, number], UnverifiedPack>(
    `SELECT ${occupancyColumns}, max(p.verified_at, p.created_at) AS verifiedAt
     FROM packs p INDEXED BY packs_by_verification
     WHERE p.state = ${packState.whole} AND (max(p.verified_at, p.created_at), p.id) > (?, ?)
       AND max(p.verified_at, p.created_at) < ? AND (p.verified_at < ? OR p.verified_at > ?) AND p.live_count > 0
     ORDER BY max(p.verified_at, p.created_at), p.id LIMIT ?`,
  )
  const setState = prepare<[number, number, number, number, number]>(
    'UPDATE streams SET state = ? WHERE id = ? AND pack_id = ? AND "offset" = ? AND state <> ?',
  )
  const record = prepare<[number, number]>('UPDATE packs SET verified_at = ? WHERE id = ?')
  return {
    listUnverifiedPacks: async ({ since, now, writtenBefore, after, limit }) => {
      const due = list.all(after.verifiedAt, after.id, writtenBefore, since, now, limit)
      if (due.length === limit || writtenBefore > now) return due
      // Times in the future, left by a clock that was set back, count as due. They are read as a
      // range of their own, to skip what lies between, which is nearly everything.
      const { verifiedAt, id } = after.verifiedAt > now ? after : { verifiedAt: now, id: ever }
      return [...due, ...list.all(verifiedAt, id, ever, since, now, limit - due.length)]
    },
    judgeCopies: async (packId, verdicts) => {
      const counts = write(() => {
        const changed = { damaged: 0, healed: 0 }
        for (const { streamId, offset, damaged } of verdicts) {
          const state = damaged ? streamState.damaged : streamState.live
          if (setState.run(state, streamId, packId, offset, state).changes === 0) continue
          damage.note(streamId)
          changed[damaged ? 'damaged' : 'healed'] += 1
        }
        return changed
      })
      await damage.spread()
      return counts
    },
    recordVerification: async (packId, at) => {
      stage(() => record.run(at, packId))
    },
  }
}
