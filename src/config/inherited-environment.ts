/** The environment passed to child processes. */
import type { Environment } from './settings.ts'

/** Variables that direct git to a repository regardless of the working directory. They are set
 *  when a git hook runs us. */
const gitPlaces: ReadonlySet<string> = new Set([
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_COMMON_DIR',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_QUARANTINE_PATH',
  'GIT_SHALLOW_FILE',
  'GIT_GRAFT_FILE',
  'GIT_NAMESPACE',
  'GIT_PREFIX',
])

/** Removes our own variables, above all tokens, and those that would direct git in a job's
 *  workspace to the user's own repository. */
export function inheritedOf(env: Environment): Record<string, string> {
  const entries = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(?:TROVE|ACTIONS)_/.test(entry[0]) && !gitPlaces.has(entry[0]),
  )
  return Object.fromEntries(entries)
}
