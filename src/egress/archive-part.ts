/** The part of an artifact that an archive holds. */
import { tooLarge } from '../core/errors.ts'
import { compileSelection, nothingMatches } from '../core/glob/path-glob.ts'
import { limits } from '../core/limits.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { damagedFiles, damageOf } from './damage.ts'
import type { PathFilter } from './entries.ts'
import type { Reader } from './reader.ts'
import { inWalk } from './walks.ts'

export interface Selection {
  /** Globs of the paths to include (`core/glob/path-glob.ts`); none includes all. */
  paths?: readonly string[]
  /** Leaves out damaged files, which otherwise make the archive fail. */
  intact?: boolean
  /** Aborted when the client no longer waits for the archive. */
  signal?: AbortSignal
}

export interface ArchivePart {
  /** Undefined: everything. */
  filter: PathFilter | undefined
  /** What an ETag must name: the globs, and the damaged files that are left out. */
  facts: unknown[]
  /** Name of the archive, without an extension. */
  name: string
  /** Rejects an empty part: an empty archive would hide a mistyped glob. `measured` is undefined
   *  before anything was measured. Errors: no_files, blob_damaged (nothing is intact). */
  requireMembers(measured: { members: number } | undefined): void
}

/** Errors: invalid_request and too_large (a glob), too_large (damaged files to leave out). */
export async function partOf(
  reader: Reader,
  artifact: Artifact,
  { paths = [], intact = false, signal }: Selection,
): Promise<ArchivePart> {
  const globs = paths.length === 0 ? undefined : paths
  const byPath = globs && { matches: compileSelection(globs), signal }
  // The zip of an exact artifact can be damaged although all its files are intact.
  const isWhole = !intact || artifact.state === 'available'
  const damaged = isWhole
    ? []
    : await inWalk(artifact, signal, () => leftOut(reader, artifact, byPath))
  const isLeftOut = new Set(damaged)
  const withoutDamaged = (path: string): boolean =>
    !isLeftOut.has(path) && byPath?.matches(path) !== false
  return {
    filter: isWhole ? byPath : { matches: withoutDamaged, signal },
    facts: isWhole ? [globs] : [globs, damaged],
    name: isWhole ? artifact.name : `${artifact.name}-intact`,
    requireMembers: (measured) => {
      if (measured?.members !== 0) return
      if (damaged.length > 0) throw damageOf(artifact, damaged)
      if (globs !== undefined) throw nothingMatches(globs)
    },
  }
}

async function leftOut(
  reader: Reader,
  artifact: Artifact,
  filter: PathFilter | undefined,
): Promise<string[]> {
  const max = limits.leftOutCharactersMax
  const paths: string[] = []
  let characters = 0
  for await (const path of damagedFiles(reader, artifact, filter)) {
    characters += path.length
    if (characters > max)
      throw tooLarge(
        'characters in the paths of damaged files',
        max,
        `artifact ${artifact.id} has too many damaged files to leave out: select a part of it by path`,
      )
    paths.push(path)
  }
  return paths
}
