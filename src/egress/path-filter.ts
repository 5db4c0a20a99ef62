/** Selects the part of an artifact that an archive of some paths holds. */
import { compilePathGlobs, nothingMatches } from '../core/glob/path-glob.ts'

export interface Selection {
  /** Globs of the paths to include (`core/glob/path-glob.ts`); none includes all. */
  paths?: readonly string[]
  /** Aborted when the client no longer waits for the archive. */
  signal?: AbortSignal
}

export interface PathFilter {
  matches(path: string): boolean
  /** Aborted when the client no longer waits: many paths may be tested before one matches. */
  signal: AbortSignal | undefined
}

/** Undefined: everything is selected. Errors: invalid_request and too_large (a glob). */
export function pathFilter({ paths, signal }: Selection): PathFilter | undefined {
  if (paths === undefined || paths.length === 0) return undefined
  return { matches: compilePathGlobs(paths), signal }
}

/** Rejects a selection of nothing: an empty archive would hide a mistyped glob. `measured` is
 *  undefined before anything was measured.
 *  Errors: no_files. */
export function requireMatch(
  measured: { members: number } | undefined,
  { paths = [] }: Selection,
): void {
  if (measured?.members === 0) throw nothingMatches(paths)
}
