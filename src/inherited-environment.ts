/** The environment of programs that a command starts. */
import type { Environment } from './settings.ts'

/** Which repository git works on, whatever directory it is in. A hook that calls us has them. */
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

/** What a program that this one starts inherits: everything but what is meant for us, tokens above all, and what would
 *  lead git in the workspace of a job to the user's own repository. */
export function inheritedOf(env: Environment): Record<string, string> {
  const entries = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(?:TROVE|ACTIONS)_/.test(entry[0]) && !gitPlaces.has(entry[0]),
  )
  return Object.fromEntries(entries)
}
