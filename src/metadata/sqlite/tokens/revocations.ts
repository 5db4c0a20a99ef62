/** Tokens that are void before their end. */
import { count, eq, inArray, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { revokedProjects, revokedTokens } from '../../../../schema/tokens.ts'
import { tooLarge } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { ProjectName } from '../../../core/run.ts'
import type { Revocations, RevocationMetadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

export function createRevocationMethods({ orm, write }: Connection): RevocationMetadata {
  const ofProject = (project: ProjectName | null): SQL =>
    project === null ? isNull(revokedTokens.project) : eq(revokedTokens.project, project)
  const requireRoom = (project: ProjectName | null): void => {
    const counted = orm
      .select({ held: count() })
      .from(revokedTokens)
      .where(ofProject(project))
      .get()
    if (counted!.held <= limits.revokedTokensMax) return
    const what = project === null ? 'administrators' : project
    const instead = project === null ? 'remove secret.key' : 'revoke all that the project has'
    throw tooLarge(
      'revoked tokens of a project',
      limits.revokedTokensMax,
      `${limits.revokedTokensMax} tokens of ${what} are revoked one by one already; ${instead}`,
    )
  }
  return {
    revokeToken: async (token) => {
      write(() => {
        const { changes } = orm.insert(revokedTokens).values(token).onConflictDoNothing().run()
        if (changes > 0) requireRoom(token.project)
      })
    },
    revokeProjectTokens: async (project, issuedUntil) => {
      write(() => {
        orm
          .insert(revokedProjects)
          .values({ project, issuedUntil })
          .onConflictDoUpdate({
            target: revokedProjects.project,
            set: { issuedUntil: sql`max(issued_until, excluded.issued_until)` },
          })
          .run()
        // What says so of single ones has become needless.
        orm.delete(revokedTokens).where(ofProject(project)).run()
      })
    },
    listRevocations: async () => ({
      tokenIds: orm
        .select({ id: revokedTokens.id })
        .from(revokedTokens)
        .all()
        .map(({ id }) => id),
      projects: orm.select().from(revokedProjects).all() as Revocations['projects'],
    }),
    purgeRevocations: async (endedBy, limit) =>
      write(() => {
        const ended = orm
          .select({ id: revokedTokens.id })
          .from(revokedTokens)
          .where(lt(revokedTokens.expiresAt, endedBy))
          .limit(limit)
        return orm.delete(revokedTokens).where(inArray(revokedTokens.id, ended)).run().changes
      }),
  }
}
