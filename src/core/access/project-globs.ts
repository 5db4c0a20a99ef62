/** Globs of projects: those of path-glob.ts, compared ignoring case, as project names are.
 *  `octo/*` is the projects directly in `octo`, `octo/**` all below it, `**` every project. */
import { invalidRequest } from '../errors.ts'
import { compilePathGlobs } from '../glob/path-glob.ts'

/** Splits a list of globs at blanks. Errors: invalid_request, too_large. */
export function parseProjectGlobs(text: string): string[] {
  const globs = text.split(/\s+/).filter((each) => each !== '')
  for (const glob of globs) {
    if (glob !== '**' && !isProjectGlob(glob)) throw refused(glob)
  }
  compilePathGlobs(globs)
  return globs
}

/** Returns a function that reports whether a project matches at least one of the globs. */
export function compileProjectGlobs(globs: readonly string[]): (project: string) => boolean {
  const matches = compilePathGlobs(globs.map((glob) => glob.toLowerCase()))
  return (project) => matches(project.toLowerCase())
}

/** Whether all projects that a glob matches match `wider`, too. Known only of `**`, of `octo/**`
 *  for what begins with `octo/`, and of a glob without wildcards; else false. */
export function isWithin(glob: string, wider: string): boolean {
  const [inner, outer] = [glob.toLowerCase(), wider.toLowerCase()]
  if (inner === outer || outer === '**') return true
  if (isPlain(inner)) return compileProjectGlobs([outer])(inner)
  const owner = outer.endsWith('/**') ? outer.slice(0, -'**'.length) : undefined
  return owner !== undefined && isPlain(owner) && inner.startsWith(owner)
}

function isPlain(glob: string): boolean {
  return !/[*?[\]{}\\]/.test(glob)
}

/** Whether the text has the form of a project: at least two segments, and `~` in no place. */
export function isProjectGlob(text: string): boolean {
  return /^[^/~]+(?:\/[^/~]+)+$/.test(text)
}

function refused(glob: string): Error {
  const form = 'a glob of OWNER/REPO, such as octo/app, octo/* or octo/** (with subgroups)'
  return invalidRequest('projects', `${JSON.stringify(glob)} must be ${form}`)
}
