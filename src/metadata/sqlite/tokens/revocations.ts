/** Tokens that are void before they end. */
import { and, count, eq, lte, sql } from 'drizzle-orm'
import { revokedProjects, revokedTokens } from '../../../../schema/tokens.ts'
import { tooLarge } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { Revocations, RevocationMetadata, RevokedToken } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'
import { createPurge } from './purge.ts'

export function createRevocationMethods(
  connection: Connection,
  audit: AuditLog,
): RevocationMetadata {
  const { orm, write } = connection
  const requireRoom = ({ project, holder, isSession }: RevokedToken): void => {
    const ofKind = and(
      sql`${revokedTokens.project} IS ${project}`,
      sql`${revokedTokens.holder} IS ${holder}`,
      eq(revokedTokens.isSession, isSession),
    )
    const counted = orm.select({ held: count() }).from(revokedTokens).where(ofKind).get()
    if (counted!.held <= limits.revokedTokensMax) return
    const what = project ?? (holder === null ? 'administrators' : 'this person')
    const instead = project === null ? 'delete secret.key' : 'revoke all tokens of the project'
    throw tooLarge(
      'revoked tokens of a project',
      limits.revokedTokensMax,
      `${limits.revokedTokensMax} tokens of ${what} are revoked individually already, the most there can be; ${instead} instead`,
    )
  }
  return {
    revokeToken: async (token, author) => {
      write(() => {
        const values = { ...token, endsAt: Math.min(token.endsAt, Number.MAX_SAFE_INTEGER) }
        const { changes } = orm.insert(revokedTokens).values(values).onConflictDoNothing().run()
        if (changes === 0) return
        requireRoom(token)
        audit.record(author, {
          kind: 'revoke',
          project: token.project,
          ...(author && { details: { token: author.token } }),
        })
      })
    },
    revokeProjectTokens: async (project, issuedUntil, author) => {
      write(() => {
        orm
          .insert(revokedProjects)
          .values({ project, issuedUntil })
          .onConflictDoUpdate({
            target: revokedProjects.project,
            set: { issuedUntil: sql`max(issued_until, excluded.issued_until)` },
          })
          .run()
        // Individual revocations covered by this are no longer needed. One of a token issued by a
        // clock that ran ahead is not covered and stays.
        const covered = and(
          eq(revokedTokens.project, project),
          lte(revokedTokens.issuedAt, issuedUntil),
        )
        orm.delete(revokedTokens).where(covered).run()
        audit.record(author, { kind: 'revoke-all', project, details: { issuedUntil } })
      })
    },
    listRevocations: async () => ({
      tokens: orm
        .select({ id: revokedTokens.id, endsAt: revokedTokens.endsAt })
        .from(revokedTokens)
        .all(),
      projects: orm.select().from(revokedProjects).all() as Revocations['projects'],
    }),
    purgeRevocations: createPurge(connection, { table: 'revoked_tokens', instant: 'ends_at' }),
  }
}
