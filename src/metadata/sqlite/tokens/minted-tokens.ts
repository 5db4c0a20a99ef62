/** Tokens that the server has minted and that have not ended. */
import { and, desc, eq, gt, lt } from 'drizzle-orm'
import { mintedTokens } from '../../../../schema/tokens.ts'
import type { Actor } from '../../../core/audit.ts'
import { tooLarge } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { MintedToken, MintedTokenMetadata } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { equals } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'
import { createPurge } from './purge.ts'

export function createMintedTokenMethods(
  connection: Connection,
  audit: AuditLog,
): MintedTokenMetadata {
  const { orm, prepare, write } = connection
  const dropOlder = prepare<[string | null, string | undefined, number]>(
    `DELETE FROM minted_tokens WHERE project IS ? AND is_session AND lineage ->> 1 = ?
     ORDER BY number DESC LIMIT -1 OFFSET ?`,
  )
  const dropOlderOf = prepare<[string, number]>(
    `DELETE FROM minted_tokens WHERE person_id = ? AND is_session
     ORDER BY number DESC LIMIT -1 OFFSET ?`,
  )
  const keepNewest = ({ project, personId, lineage }: MintedToken): void => {
    const { sessionsListedMax: max } = limits
    if (personId === null) dropOlder.run(project, lineage[1], max)
    else dropOlderOf.run(personId, max)
  }
  const countPersonal = prepare<[string], { held: number }>(
    `SELECT count(*) AS held FROM minted_tokens
     WHERE person_id = ? AND project IS NULL AND NOT is_session`,
  )
  const requireRoom = ({ project, personId, isSession }: MintedToken): void => {
    if (personId === null || project !== null || isSession) return
    const { personalTokensMax: max } = limits
    if (countPersonal.get(personId)!.held < max) return
    const reason = `a person can make at most ${max} tokens until one of them expires`
    throw tooLarge('tokens of a person', max, reason)
  }
  return {
    addToken: async (token, author) => {
      const { id, project, scope, run, job, endsAt: expiresAt } = token
      write(() => {
        requireRoom(token)
        orm.insert(mintedTokens).values(token).run()
        if (token.isSession) keepNewest(token)
        const details = { token: { id, scope, run, job, expiresAt } }
        audit.record(author, { kind: 'token', project, details })
      })
    },
    findToken: async (id) => {
      const row = orm.select().from(mintedTokens).where(eq(mintedTokens.id, id)).get()
      return row && toToken(row)
    },
    listTokens: async ({ project = null, personId }, { limit, before }) =>
      orm
        .select()
        .from(mintedTokens)
        .where(
          and(
            project === null ? undefined : eq(mintedTokens.project, project),
            equals(mintedTokens.personId, personId),
            before === undefined ? gt(mintedTokens.number, 0) : lt(mintedTokens.number, before),
          ),
        )
        .orderBy(desc(mintedTokens.number))
        .limit(limit)
        .all()
        .map(toToken),
    purgeTokens: createPurge(connection, { table: 'minted_tokens', instant: 'ends_at' }),
  }
}

function toToken(row: typeof mintedTokens.$inferSelect): MintedToken & { number: number } {
  return {
    ...row,
    project: row.project as ProjectName | null,
    mintedBy: row.mintedBy as Actor,
  }
}
