/** Finds the artifacts that hold a file, and its path in them. */
import type { Digest } from '../core/bytes/digest.ts'
import { isArtifactGone } from '../core/errors.ts'
import type { Artifact, Metadata } from '../metadata/metadata.ts'
import { type EntryReader, walkEntries } from './entries.ts'

export interface Holder {
  artifact: Artifact
  /** The first path of the file in the artifact; null when the search for it was skipped. */
  path: string | null
}

/** Upper bound on the entries scanned for paths, summed over all holders of one result. */
const pathSearchMax = 200_000

/** Returns at most `limit` holders, newest first, with paths for as many as `pathSearchMax`
 *  allows. One that ends meanwhile has no path. */
export async function findHolders(
  metadata: EntryReader & Pick<Metadata, 'listHolders'>,
  digest: Digest,
  page: Parameters<Metadata['listHolders']>[1],
): Promise<Holder[]> {
  const pathsOfTrees = new Map<Digest, string | null>()
  let left = pathSearchMax
  const holders: Holder[] = []
  for (const artifact of await metadata.listHolders(digest, page)) {
    const { id, treeDigest, entryCount } = artifact
    let path = pathsOfTrees.get(treeDigest) ?? null
    if (path === null && entryCount < left) {
      left -= entryCount
      path = await pathOf(metadata, id, digest)
      pathsOfTrees.set(treeDigest, path)
    }
    holders.push({ artifact, path })
  }
  return holders
}

async function pathOf(
  reader: EntryReader,
  artifactId: number,
  digest: Digest,
): Promise<string | null> {
  try {
    for await (const { entry } of walkEntries(reader, artifactId))
      if (entry.kind === 'file' && entry.digest === digest) return entry.path
  } catch (error) {
    if (!isArtifactGone(error)) throw error
  }
  return null
}
