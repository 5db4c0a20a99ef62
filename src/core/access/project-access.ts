/** What a person may do in several projects. */

export interface ProjectAccess {
  scope: 'read' | 'write'
  /** A glob of project-globs.ts. */
  projects: string
}

/** `octo/*, acme/app (read)`: the projects where the token may write, then those that it may only
 *  read. */
export function formatAccess(access: readonly ProjectAccess[]): string {
  const globsOf = (wanted: ProjectAccess['scope']): string =>
    access.flatMap(({ scope, projects }) => (scope === wanted ? [projects] : [])).join(', ')
  const [written, read] = [globsOf('write'), globsOf('read')]
  return written === '' || read === '' ? written + read : `${written}, ${read} (read)`
}
