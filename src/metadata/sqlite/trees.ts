/** Trees as lists: pages as they travel, and what differs between two. No place of any byte is looked up, and what two
 *  trees share is passed over by the ids of its blobs, or by the stored bytes of whole pages. */
import { limits } from '../../core/limits.ts'
import { formatEntry } from '../../core/manifest.ts'
import { pairByPath } from '../../core/paired-entries.ts'
import {
  differingIndexes,
  entriesOf,
  type PageColumns,
  type PageEntry,
  readNames,
  readPageColumns,
} from '../manifest-page.ts'
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
    readTreeTimes: async (artifactId, first) =>
      read(() => {
        const source = findSource(artifactId)
        if (source.removedAt !== null) throw removedError(source)
        const pageCount = Math.ceil(source.entryCount / limits.manifestPageEntries)
        const length = Math.max(0, Math.min(pageCount - first, timePagesMax))
        return Array.from(
          { length },
          (_, index) => pages.encodedTimes(source.contentId, first + index) ?? null,
        )
      }),
    readDifferences: async (baseId, headId, from) =>
      read(() => {
        const base = findSource(baseId)
        const head = findSource(headId)
        if (base.manifestId === head.manifestId)
          return { differing: [], unchanged: base.entryCount - from.base, next: null }
        const whole: ComparedStretch = { differing: [], unchanged: 0, next: from }
        for (let pairs = 0; pairs < pagePairsMax && whole.next !== null; pairs++) {
          const { differing, unchanged, next } = compare(base, head, whole.next)
          whole.differing.push(...differing)
          whole.unchanged += unchanged
          whole.next = next
        }
        return whole
      }),
  }
}

/** Pages of times that are read at a time: about 250 KB. */
const timePagesMax = 256

/** Pages of each tree that are compared at a time: some milliseconds. */
const pagePairsMax = 4

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
  /** Entries of one side with what the wire says of them. `indexes`: where they stand in the page, null of none. */
  const toCompared = (
    { source, page }: Side,
    { count, entries, indexes }: Picked,
  ): (ComparedEntry | null)[] => {
    if (entries.length === 0) return indexes.map(() => null)
    const described = describe(entries)
    if (described === undefined) throw removedError(source)
    const times = pages.timesOf(source.contentId, page, count)
    let at = 0
    return indexes.map((index) =>
      index === null ? null : { entry: described[at++]!, modifiedAt: times[index] ?? null },
    )
  }

  return (baseSource, headSource, from) => {
    const [base, head] = [open(baseSource, from.base), open(headSource, from.head)]
    const after = (taken: ComparePlace): ComparePlace | null => {
      const next = { base: from.base + taken.base, head: from.head + taken.head }
      const isOver = next.base >= baseSource.entryCount && next.head >= headSource.entryCount
      return isOver ? null : next
    }
    const areFirst = base.index === 0 && head.index === 0 && base.stored !== undefined
    if (areFirst && head.stored?.equals(base.stored!) === true) {
      const count = Math.min(size, baseSource.entryCount - from.base)
      return { differing: [], unchanged: count, next: after({ base: count, head: count }) }
    }
    const ours = base.stored && readPageColumns(base.stored)
    const theirs = head.stored && readPageColumns(head.stored)
    const aligned = areFirst && theirs ? alignedPages(ours!, theirs) : undefined
    const {
      befores,
      afters,
      unchanged: same,
      taken,
    } = aligned ??
    mergedPages({ columns: ours, index: base.index }, { columns: theirs, index: head.index })
    const side = { before: toCompared(base, befores), after: toCompared(head, afters) }
    const pairs = side.before.map((before, at) => ({ before, after: side.after[at]! }) as EntryPair)
    // Two blobs can have one content, when the older is being swept.
    const differing = pairs.filter(
      ({ before, after: other }) =>
        before === null || other === null || formatEntry(before.entry) !== formatEntry(other.entry),
    )
    const unchanged = same + pairs.length - differing.length
    return { differing, unchanged, next: after(taken) }
  }
}

/** Some entries of a page; `indexes` has a null for each of the other side that this one lacks. */
interface Picked {
  /** Of all entries of the page. */
  count: number
  entries: PageEntry[]
  indexes: readonly (number | null)[]
}

interface PagePair {
  befores: Picked
  afters: Picked
  unchanged: number
  taken: ComparePlace
}

/** Two pages of the same paths, which need not be read for that: the usual case, when files have changed in place. */
function alignedPages(ours: PageColumns, theirs: PageColumns): PagePair | undefined {
  const indexes = differingIndexes(ours, theirs)
  if (indexes === undefined) return undefined
  const { count } = ours
  const names = readNames(ours, indexes)
  return {
    befores: { count, entries: entriesOf(ours, indexes, names), indexes },
    afters: { count, entries: entriesOf(theirs, indexes, names), indexes },
    unchanged: count - indexes.length,
    taken: { base: count, head: count },
  }
}

/** Two pages side by side, each from an index on. */
function mergedPages(
  base: { columns: PageColumns | undefined; index: number },
  head: { columns: PageColumns | undefined; index: number },
): PagePair {
  const read = ({ columns }: typeof base): PageEntry[] => (columns ? entriesOf(columns) : [])
  const [ours, theirs] = [read(base), read(head)]
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
  const picked = (entries: PageEntry[], indexes: (number | null)[]): Picked => ({
    count: entries.length,
    entries: indexes.filter((index) => index !== null).map((index) => entries[index]!),
    indexes,
  })
  return { befores: picked(ours, befores), afters: picked(theirs, afters), unchanged, taken }
}

/** Whether two entries of one path are surely alike. */
function isSame(before: PageEntry, after: PageEntry): boolean {
  if (before.kind !== after.kind || before.mode !== after.mode) return false
  if (before.kind === 'file') return after.kind === 'file' && before.blobId === after.blobId
  if (before.kind === 'symlink') return after.kind === 'symlink' && before.target === after.target
  return true
}
