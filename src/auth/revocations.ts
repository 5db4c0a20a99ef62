/** Which tokens are void before their end, in memory: every request asks. */
import type { ProjectName } from '../core/run.ts'
import type { Principal } from './principal.ts'

export interface Revocations {
  /** Whether the token, one that it came of, or all that its project had are revoked. */
  has(principal: Principal): boolean
  addToken(id: string): void
  /** All tokens of the project that were issued at `issuedUntil` (epoch ms) or before. */
  addProject(project: ProjectName, issuedUntil: number): void
}

export function createRevocations(known: {
  tokenIds: readonly string[]
  projects: readonly { project: ProjectName; issuedUntil: number }[]
}): Revocations {
  const tokens = new Set(known.tokenIds)
  const projects = new Map<string, number>()
  const addProject = (project: ProjectName, issuedUntil: number): void => {
    // A clock that went back takes nothing back.
    const key = project.toLowerCase()
    projects.set(key, Math.max(issuedUntil, projects.get(key) ?? issuedUntil))
  }
  for (const { project, issuedUntil } of known.projects) addProject(project, issuedUntil)
  return {
    has: ({ scope, project, issuedAt, lineage }) =>
      lineage.some((id) => tokens.has(id)) ||
      // An administrator's token may name a project and is not of it.
      (scope !== 'admin' &&
        project !== null &&
        issuedAt <= (projects.get(project.toLowerCase()) ?? -Infinity)),
    addToken: (id) => {
      tokens.add(id)
    },
    addProject,
  }
}
