/** Manifests in memory behind the reading methods of the metadata port. */
import type { EntryReader } from '../../src/browse/entries.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { comparePaths, type EntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { formatEntry } from '../../src/core/manifest/manifest.ts'
import { pairByPath } from '../../src/core/manifest/paired-entries.ts'
import type { EntryPair, Metadata, StoredEntry } from '../../src/metadata/metadata.ts'

/** A file whose content is `content`. */
export function fileEntry(path: string, content: string, mode = 0o644): StoredEntry {
  const digest = digestOf(content)
  const sizeBytes = content.length
  return {
    kind: 'file',
    path: path as EntryPath,
    mode,
    digest,
    sizeBytes,
    blob: { blobId: 1, digest, sizeBytes, crc32: 0, copy: null, partCount: 0, joinedBytes: 0 },
  }
}

export function directoryEntry(path: string): StoredEntry {
  return { kind: 'directory', path: path as EntryPath, mode: 0o755 }
}

/** Artifact `n` has the entries of `manifests[n - 1]`; the modification time of an entry is its
 *  position. */
export function createMemoryReader(
  ...manifests: StoredEntry[][]
): EntryReader & Pick<Metadata, 'readDifferences'> {
  const sorted = manifests.map((entries) =>
    entries.toSorted((a, b) => comparePaths(a.path, b.path)),
  )
  const size = limits.manifestPageEntries
  const entriesOf = (artifactId: number): StoredEntry[] => sorted[artifactId - 1] ?? []
  const reader = {
    readEntryPage: async (artifactId: number, page: number) => {
      const firstOrdinal = page * size
      const entries = entriesOf(artifactId).slice(firstOrdinal, firstOrdinal + size)
      if (entries.length === 0) return undefined
      return { firstOrdinal, entries, modifiedAt: entries.map((_, index) => firstOrdinal + index) }
    },
    findEntryPage: async (artifactId: number, path: string) => {
      const ordinal = entriesOf(artifactId).findIndex(
        (entry) => comparePaths(entry.path, path) >= 0,
      )
      return ordinal === -1 ? undefined : Math.floor(ordinal / size)
    },
    findEntry: async (artifactId: number, path: string) => {
      const ordinal = entriesOf(artifactId).findIndex((entry) => entry.path === path)
      const entry = entriesOf(artifactId)[ordinal]
      return entry === undefined ? undefined : { entry, modifiedAt: ordinal }
    },
  }
  const readDifferences: Metadata['readDifferences'] = async (baseId, headId, from) => {
    const stretch = (id: number, ordinal: number): StoredEntry[] =>
      entriesOf(id).slice(ordinal, ordinal + size)
    const differing: EntryPair[] = []
    let unchanged = 0
    const taken = pairByPath(
      stretch(baseId, from.base),
      stretch(headId, from.head),
      (before, after) => {
        if (before !== null && after !== null && formatEntry(before) === formatEntry(after)) {
          unchanged += 1
          return
        }
        const sideOf = (entry: StoredEntry | null) =>
          entry === null ? null : { entry, modifiedAt: null }
        differing.push({ before: sideOf(before), after: sideOf(after) } as EntryPair)
      },
    )
    const next = { base: from.base + taken.base, head: from.head + taken.head }
    const isOver = next.base >= entriesOf(baseId).length && next.head >= entriesOf(headId).length
    return { differing, unchanged, next: isOver ? null : next }
  }
  return Object.assign(reader, { readDifferences })
}
