/** Trees as lists: pages as they travel, and what differs between two. No place of any byte is looked up, and what two
 *  trees share is passed over by the ids of its blobs, or by the stored bytes of whole pages. */
import { limits } from '../../core/limits.ts'
import { formatEntry } from '../../core/manifest.ts'
import { pairByPath } from '../../core/paired-entries.ts'
import { type PageEntry, decodeManifestPage } from '../manifest-page.ts'
import type {
  ComparedEntry,
  ComparedStretch,
  ComparePlace,
  EntryPair,
  TreeMetadata,
} from '../trees.ts'
import type { Connection } from './connection.ts'
import { createDescribing } from './describing.ts'
import { createDirectoryMethods } from './directories.ts'
import {
  createPages,
  createSourceFinder,
  isPast,
  removedError,
  type Source,
} from './manifest-source.ts'

export function createTreeMethods(connection: Connection): TreeMetadata {
  const { read } = connection
  const findSource = createSourceFinder(connection)
  const pages = createPages(connection)
  const describe = createDescribing(connection)
  const compare = createComparing(connection)
  return {
    ...createDirectoryMethods(connection),
    readTreePage: async (artifactId, page) =>
      read(() => {
        const source = findSource(artifactId)
        if (isPast(source.entryCount, page)) return undefined
        const entries = pages.find(source.manifestId, page)
        const described = entries && describe(entries)
        if (!described) throw removedError(source)
        const lines = Buffer.from(described.map(formatEntry).join(''))
        return { lines, times: pages.encodedTimes(source.contentId, page) ?? null }
      }),
    readDifferences: async (baseId, headId, from) =>
      read(() => {
        const base = findSource(baseId)
        const head = findSource(headId)
        if (base.manifestId !== head.manifestId) return compare(base, head, from)
        return { differing: [], unchanged: base.entryCount - from.base, next: null }
      }),
  }
}

/** A tree at the place of a comparison. */
interface Side {
  source: Source
  page: number
  /** Of the place, in the page. */
  index: number
  /** Absent past the end of the tree. */
  stored: Buffer | undefined
}

function createComparing(
  connection: Connection,
): (base: Source, head: Source, from: ComparePlace) => ComparedStretch {
  const pages = createPages(connection)
  const describe = createDescribing(connection)
  const size = limits.manifestPageEntries

  const open = (source: Source, ordinal: number): Side => {
    const [page, index] = [Math.floor(ordinal / size), ordinal % size]
    if (ordinal >= source.entryCount) return { source, page, index, stored: undefined }
    const stored = pages.stored(source.manifestId, page)
    if (stored === undefined) throw removedError(source)
    return { source, page, index, stored }
  }
  /** The entries of one side, at `index` in its page, with what the wire says of them. */
  const toCompared = (
    { source, page }: Side,
    entries: readonly PageEntry[],
    indexes: readonly (number | null)[],
  ): (ComparedEntry | null)[] => {
    const wanted = indexes.filter((index) => index !== null)
    if (wanted.length === 0) return indexes.map(() => null)
    const described = describe(wanted.map((index) => entries[index]!))
    if (described === undefined) throw removedError(source)
    const times = pages.timesOf(source.contentId, page, entries.length)
    const byIndex = new Map(wanted.map((index, at) => [index, described[at]!]))
    return indexes.map((index) =>
      index === null ? null : { entry: byIndex.get(index)!, modifiedAt: times[index] ?? null },
    )
  }

  return (baseSource, headSource, from) => {
    const [base, head] = [open(baseSource, from.base), open(headSource, from.head)]
    const after = (taken: ComparePlace): ComparePlace | null => {
      const next = { base: from.base + taken.base, head: from.head + taken.head }
      const isOver = next.base >= baseSource.entryCount && next.head >= headSource.entryCount
      return isOver ? null : next
    }
    const isAlike = base.index === 0 && head.index === 0 && base.stored !== undefined
    if (isAlike && head.stored?.equals(base.stored!) === true) {
      const count = Math.min(size, baseSource.entryCount - from.base)
      return { differing: [], unchanged: count, next: after({ base: count, head: count }) }
    }
    const entriesOf = ({ stored }: Side): PageEntry[] =>
      stored === undefined ? [] : decodeManifestPage(stored)
    const [ours, theirs] = [entriesOf(base), entriesOf(head)]
    const befores: (number | null)[] = []
    const afters: (number | null)[] = []
    let unchanged = 0
    let [left, right] = [base.index, head.index]
    const taken = pairByPath(ours.slice(left), theirs.slice(right), (one, other) => {
      if (one !== null && other !== null && isSame(one, other)) {
        unchanged += 1
      } else {
        befores.push(one === null ? null : left)
        afters.push(other === null ? null : right)
      }
      if (one !== null) left += 1
      if (other !== null) right += 1
    })
    const side = {
      before: toCompared(base, ours, befores),
      after: toCompared(head, theirs, afters),
    }
    const pairs = side.before.map((before, at) => ({ before, after: side.after[at]! }) as EntryPair)
    // Two blobs can have one content, when the older is being swept.
    const differing = pairs.filter(
      ({ before, after: other }) =>
        before === null || other === null || formatEntry(before.entry) !== formatEntry(other.entry),
    )
    unchanged += pairs.length - differing.length
    return { differing, unchanged, next: after(taken) }
  }
}

/** Whether two entries of one path are surely alike. */
function isSame(before: PageEntry, after: PageEntry): boolean {
  if (before.kind !== after.kind || before.mode !== after.mode) return false
  if (before.kind === 'file') return after.kind === 'file' && before.blobId === after.blobId
  if (before.kind === 'symlink') return after.kind === 'symlink' && before.target === after.target
  return true
}
