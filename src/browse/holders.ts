/** Which artifacts hold a file, and where in them. */
import type { Digest } from '../core/digest.ts'
import type { Artifact, Metadata } from '../metadata/metadata.ts'
import { type EntryReader, walkEntries } from './entries.ts'

export interface Holder {
  artifact: Artifact
  /** The first place of the file in it; null when that was not looked for. */
  path: string | null
}

/** Entries that are looked through for paths, over all holders of one answer. */
const pathSearchMax = 200_000

/** The newest first, at most `limit` of them; paths for as many as `pathSearchMax` allows. `projectId` null: of all projects. */
export async function findHolders(
  metadata: EntryReader & Pick<Metadata, 'listHolders'>,
  digest: Digest,
  filter: Parameters<Metadata['listHolders']>[1],
): Promise<Holder[]> {
  const artifacts = await metadata.listHolders(digest, filter)
  const pathsOfTrees = new Map<Digest, string | null>()
  let left = pathSearchMax
  const holders: Holder[] = []
  for (const artifact of artifacts) {
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
  for await (const { entry } of walkEntries(reader, artifactId))
    if (entry.kind === 'file' && entry.digest === digest) return entry.path
  return null
}
