/** Which files of a damaged artifact cannot be read. */
import { limits } from '../core/limits.ts'
import type { Metadata, StoredEntry } from '../metadata/metadata.ts'
import { type EntryReader, walkEntries } from './entries.ts'

const partsPageMax = 2000

/** Paths in order, at most `limits.damagedPathsMax`. Costs a walk of the manifest. */
export async function listDamagedFiles(
  reader: EntryReader & Pick<Metadata, 'readParts'>,
  artifactId: number,
): Promise<string[]> {
  const paths: string[] = []
  for await (const { entry } of walkEntries(reader, artifactId)) {
    if (entry.kind !== 'file' || !(await isDamaged(reader, entry.blob))) continue
    paths.push(entry.path)
    if (paths.length === limits.damagedPathsMax) break
  }
  return paths
}

type Blob = Extract<StoredEntry, { kind: 'file' }>['blob']

async function isDamaged(reader: Pick<Metadata, 'readParts'>, blob: Blob): Promise<boolean> {
  if (blob.copy !== null) return blob.copy.damaged
  for (let first = 0; first < blob.partCount; first += partsPageMax) {
    const parts = await reader.readParts(blob.blobId, first, partsPageMax)
    if (parts.some((part) => part.copy.damaged)) return true
  }
  return false
}
