/** Sealed packs: registered with any number of copies, in steps. */
import { packState } from '../../../../schema/content.ts'
import { limits } from '../../../core/limits.ts'
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createCopyRegistration } from './copy-registration.ts'
import type { Damage } from './damage.ts'
import { createSessionFinder } from './leases.ts'

/** A copy is three or four rows, with digests spread over their indexes: this many take about 6
 *  ms. */
const copiesPerStep = limits.transactionRowsMax / 2

type PackMethods = Pick<Metadata, 'addPack' | 'hasPack' | 'unknownPacks' | 'listLivePacks'>

export function createPackMethods(connection: Connection, damage: Damage): PackMethods {
  const { prepare, stageWhileFree, turn } = connection
  const findSession = createSessionFinder(connection)
  const packs = createPackRows(connection)
  const registerCopies = createCopyRegistration(connection, damage)
  const unknown = prepare<[string], { name: string }>(
    `SELECT j.value AS name FROM json_each(?) j
     WHERE NOT EXISTS (SELECT 1 FROM packs p WHERE p.name = j.value)`,
  )
  const live = prepare<[string, string, number], { id: number; name: string }>(
    `SELECT id, name FROM packs INDEXED BY packs_name
     WHERE name > ? AND name <= ? AND state = ${packState.whole} AND live_count > 0
     ORDER BY name LIMIT ?`,
  )
  const markWhole = prepare<[number]>(`UPDATE packs SET state = ${packState.whole} WHERE id = ?`)

  return {
    addPack: async (sessionName, pack, copies) => {
      const { name } = pack
      const copyBytes = copies.reduce((sum, copy) => sum + copy.lengthBytes, 0)
      const row = { ...pack, state: packState.filling, copyCount: copies.length, copyBytes }
      let start = 0
      const damaged: number[] = []
      const registerSome = (): boolean => {
        const session = findSession(sessionName)
        const known = packs.find(name)
        if (known?.state === packState.dead)
          throw new Error(`pack ${name} has already been deleted`)
        const packId = known?.id ?? packs.add({ ...row, sessionId: session.id })
        damaged.push(...registerCopies(session, packId, copies.slice(start, start + copiesPerStep)))
        start += copiesPerStep
        if (start < copies.length) return true
        markWhole.run(packId)
        return false
      }
      while (stageWhileFree(registerSome)) await turn()
      await damage.spread()
      return damaged
    },
    hasPack: async (name) => packs.find(name) !== undefined,
    unknownPacks: async (names) => unknown.all(JSON.stringify(names)).map(({ name }) => name),
    listLivePacks: async ({ after, upTo, limit }) => live.all(after, upTo, limit),
  }
}

/** Columns of `PackOccupancy`, for a query in which `p` is the pack. */
export const occupancyColumns = `p.id, p.name, p.size_bytes AS sizeBytes, p.copy_count AS copyCount,
  p.copy_bytes AS copyBytes, p.live_count AS liveCount, p.live_bytes AS liveBytes`

interface PackRow {
  name: string
  sizeBytes: number
  state: number
  sessionId: number
  copyCount: number
  copyBytes: number
}

/** Finds, adds and removes rows of packs, which count with their sizes; one that is added has no
 *  live copies yet. */
export function createPackRows({ prepare, now }: Connection): {
  find(name: string): { id: number; state: number } | undefined
  add(pack: PackRow): number
  /** Only of a dead pack. */
  remove(name: string): void
} {
  const find = prepare<[string], { id: number; state: number }>(
    'SELECT id, state FROM packs WHERE name = ?',
  )
  const insert = prepare<[PackRow & { now: number }], { id: number }>(
    `INSERT INTO packs (name, size_bytes, state, session_id, copy_count, copy_bytes, live_count, live_bytes, created_at)
     VALUES (@name, @sizeBytes, @state, @sessionId, @copyCount, @copyBytes, 0, 0, @now) RETURNING id`,
  )
  const drop = prepare<[string], { sizeBytes: number }>(
    `DELETE FROM packs WHERE name = ? AND state = ${packState.dead} RETURNING size_bytes AS sizeBytes`,
  )
  const count = prepare<[number, number]>(
    'UPDATE totals SET packs = packs + ?, stored_bytes = stored_bytes + ? WHERE scope = 0',
  )
  return {
    find: (name) => find.get(name),
    add: (pack) => {
      count.run(1, pack.sizeBytes)
      return insert.get({ ...pack, now: now() })!.id
    },
    remove: (name) => {
      const dropped = drop.get(name)
      if (dropped) count.run(-1, -dropped.sizeBytes)
    },
  }
}
