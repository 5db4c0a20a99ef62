/** Tokens revoked before their expiry. Kept in memory, since every request checks them. */
import type { ProjectName } from '../core/run/run.ts'
import type { Principal } from './principal.ts'

type RevocableToken = Pick<Principal, 'scope' | 'project' | 'issuedAt' | 'lineage'>

export interface Revocations {
  /** Whether the token, one of its ancestors, or its project's tokens as a whole are revoked. */
  has(token: RevocableToken): boolean
  /** `endsAt`: when it, its descendants and the URLs that they signed end anyway. */
  addToken(id: string, endsAt: number): void
  /** Revokes all tokens of the project that were issued at or before `issuedUntil` (epoch ms). */
  addProject(project: ProjectName, issuedUntil: number): void
  /** Forgets tokens that ended before `endedBy`: each sign-out adds one. */
  dropEnded(endedBy: number): void
}

export function createRevocations(known: {
  tokens: readonly { id: string; endsAt: number }[]
  projects: readonly { project: ProjectName; issuedUntil: number }[]
}): Revocations {
  const tokens = new Map(known.tokens.map(({ id, endsAt }) => [id, endsAt]))
  const projects = new Map<string, number>()
  const addProject = (project: ProjectName, issuedUntil: number): void => {
    // When the clock has gone back, the later instant stays: nothing is un-revoked.
    const key = project.toLowerCase()
    projects.set(key, Math.max(issuedUntil, projects.get(key) ?? issuedUntil))
  }
  for (const { project, issuedUntil } of known.projects) addProject(project, issuedUntil)
  return {
    has: ({ scope, project, issuedAt, lineage }) =>
      lineage.some((id) => tokens.has(id)) ||
      // An administrator's token may name a project but does not belong to it.
      (scope !== 'admin' &&
        project !== null &&
        issuedAt <= (projects.get(project.toLowerCase()) ?? -Infinity)),
    addToken: (id, endsAt) => {
      tokens.set(id, endsAt)
    },
    addProject,
    dropEnded: (endedBy) => {
      for (const [id, endsAt] of tokens) if (endsAt < endedBy) tokens.delete(id)
    },
  }
}
