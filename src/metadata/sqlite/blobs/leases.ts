/** Leases of sessions. A blob is leased while a row of `leases` names it and its session is live,
 *  so ending the session ends all its leases at once. */
import { sessionState } from '../../../../schema/sessions.ts'
import { storeError } from '../../../core/errors.ts'
import type { Connection } from '../connection/connection.ts'

export interface SessionRow {
  id: number
  projectId: number
}

/** Finds the live session of a name. Errors: session_ended. */
export function createSessionFinder({ prepare }: Connection): (name: string) => SessionRow {
  const find = prepare<[string], SessionRow>(
    `SELECT id, project_id AS projectId FROM sessions WHERE name = ? AND state = ${sessionState.live}`,
  )
  return (name) => {
    const session = find.get(name)
    if (session === undefined) {
      throw storeError('session_ended', `session ${name} has ended`, { sessionId: name })
    }
    return session
  }
}

/** Leases blobs for a session inside the enclosing transaction. Idempotent. */
export function createLeaser({
  prepare,
}: Connection): (sessionId: number, blobIds: number[]) => void {
  const insert = prepare<[number, string]>(
    `INSERT OR IGNORE INTO leases (session_id, blob_id) SELECT ?, j.value FROM json_each(?) j`,
  )
  return (sessionId, blobIds) => {
    if (blobIds.length > 0) insert.run(sessionId, JSON.stringify(blobIds))
  }
}

/** Leases a manifest for a session inside the enclosing transaction, to publish it or as the base
 *  of changes; a session can do both. Idempotent. */
export function createManifestLeaser({
  prepare,
}: Connection): (sessionId: number, manifestId: number, use: 'publish' | 'base') => void {
  const insert = prepare<[number, number, number]>(
    `INSERT INTO manifest_leases (session_id, manifest_id, is_base) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET is_base = min(is_base, excluded.is_base)`,
  )
  return (sessionId, manifestId, use) => {
    insert.run(sessionId, manifestId, use === 'base' ? 1 : 0)
  }
}
