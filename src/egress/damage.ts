/** Checks whether everything that a representation needs is intact, according to the metadata. An
 *  artifact that touches no damaged copy is `available`, so only the others are walked. */
import { blobDamaged } from '../core/errors.ts'
import { comparePaths } from '../core/manifest/entry.ts'
import { limits } from '../core/limits.ts'
import type { Artifact, StoredFile } from '../metadata/metadata.ts'
import { type PathFilter, tarMembers } from './entries.ts'
import { damagedMembers } from './zip/exact-zip.ts'
import type { Reader } from './reader.ts'
import { partPages } from './segments.ts'
import { inWalk } from './walks.ts'

/** Returns the damaged paths of an artifact, in order, at most `limit`: files, and members of an
 *  exact zip whose own stream is damaged even if the file can be read from another one. Walks the
 *  manifest, and the skeleton if there is one. */
export async function damagedPaths(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  limit: number = limits.damagedPathsMax,
): Promise<string[]> {
  if (artifact.state === 'available') return []
  const paths = new Set(await firstDamaged(reader, artifact, undefined, limit))
  if (artifact.kind === 'exact' && paths.size < limit) {
    for (const name of await damagedMembers(reader.metadata, artifact.id, limit)) paths.add(name)
  }
  return [...paths].toSorted(comparePaths).slice(0, limit)
}

/** Checks the files of an artifact that pass `filter`. Errors: blob_damaged. */
export async function verifyEntries(
  reader: Reader,
  artifact: Artifact,
  filter: PathFilter | undefined,
): Promise<void> {
  if (artifact.state === 'available') return
  const paths = await inWalk(artifact, filter?.signal, () =>
    firstDamaged(reader, artifact, filter, limits.damagedPathsMax),
  )
  if (paths.length > 0) throw damageOf(artifact, paths)
}

async function firstDamaged(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  filter: PathFilter | undefined,
  limit: number,
): Promise<string[]> {
  const paths: string[] = []
  for await (const path of damagedFiles(reader, artifact, filter)) {
    paths.push(path)
    if (paths.length === limit) break
  }
  return paths
}

/** Yields the paths of damaged files that pass `filter`, in order. */
export async function* damagedFiles(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  filter: PathFilter | undefined,
): AsyncGenerator<string, void, undefined> {
  if (artifact.state === 'available') return
  for await (const { members } of tarMembers(reader, artifact, filter)) {
    for (const { entry } of members) {
      if (entry.kind === 'file' && (await isDamaged(reader, entry))) yield entry.path
    }
  }
}

/** Checks the streams that an exact zip names: a blob can be intact while one of its streams is
 *  not.
 *  Errors: blob_damaged. */
export async function verifyMembers(reader: Reader, artifact: Artifact): Promise<void> {
  if (artifact.state === 'available') return
  const names = await inWalk(artifact, undefined, () =>
    damagedMembers(reader.metadata, artifact.id, limits.damagedPathsMax),
  )
  if (names.length > 0) throw damageOf(artifact, names)
}

/** Errors: blob_damaged. */
export async function verifyFile(
  reader: Reader,
  artifact: Artifact,
  file: StoredFile,
): Promise<void> {
  if (artifact.state === 'available' && file.blob.copy?.damaged !== true) return
  if (await isDamaged(reader, file)) throw damageOf(artifact, [file.path])
}

/** Whether the content of a file cannot be read. */
export async function isDamaged(
  reader: Pick<Reader, 'metadata'>,
  { blob }: StoredFile,
): Promise<boolean> {
  if (blob.sizeBytes === 0) return false
  if (blob.copy !== null) return blob.copy.damaged
  for await (const parts of partPages({ blob, first: 0 }, reader.metadata.readParts)) {
    if (parts.some((part) => part.copy.damaged)) return true
  }
  return false
}

/** Names at most three of the paths in its message. */
export function damageOf({ id }: Pick<Artifact, 'id'>, paths: readonly string[]): Error {
  const some = paths.slice(0, 3).join(', ') + (paths.length > 3 ? ', …' : '')
  return blobDamaged(
    `stored bytes of artifact ${id} are damaged: ${some}`,
    paths.slice(0, limits.damagedPathsMax),
  )
}
