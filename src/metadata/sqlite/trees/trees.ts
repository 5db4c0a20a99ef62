/** Trees as lists: pages in wire form, and the differences between two trees. Looks up no places
 *  of bytes. */
import { limits } from '../../../core/limits.ts'
import { formatEntry } from '../../../core/manifest/manifest.ts'
import { formatRemoval } from '../../../core/manifest/manifest-changes.ts'
import type {
  ComparedEntry,
  ComparedStretch,
  ComparePlace,
  EntryPair,
  TreeMetadata,
} from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { createDescribing } from './describing.ts'
import { createDirectoryListing } from './directories.ts'
import {
  createPages,
  createSourceFinder,
  isPast,
  oneByOne,
  removedError,
  type Source,
} from './manifest-source.ts'
import { createMeasuring } from './measuring.ts'
import { createSearch } from './tree-search.ts'
import { createPairing, type PagePair, type PairedSide } from './tree-pairs.ts'

export function createTreeMethods(connection: Connection): TreeMetadata {
  const findSource = createSourceFinder(connection)
  const pages = createPages(connection)
  const describe = createDescribing(connection)
  const compare = createComparing(connection)
  const changesOf = createChanges(connection)
  const pairUp = createPairing(connection)

  /** Pairs some pages from a place on, until `take` returns false. Returns where to continue, null
   *  at the end. */
  const pairSome = (
    base: Source,
    head: Source,
    from: ComparePlace,
    take: (pair: PagePair) => boolean,
  ): ComparePlace | null => {
    let next: ComparePlace | null = from
    for (let pairs = 0; pairs < pagePairsMax && next !== null; pairs++) {
      const pair = pairUp(base, head, next)
      next = pair.next
      if (!take(pair)) break
    }
    return next
  }

  return {
    listDirectory: createDirectoryListing(connection),
    measureDirectory: oneByOne(connection, createMeasuring(connection)),
    searchTree: oneByOne(connection, createSearch(connection)),
    readTreePage: async (artifactId, page) => {
      const source = findSource(artifactId)
      if (isPast(source.entryCount, page)) return undefined
      const lines = Buffer.from(
        describe(source, pages.read(source, page)).map(formatEntry).join(''),
      )
      return { lines, times: pages.encodedTimes(source.contentId, page) ?? null }
    },
    readTreeTimes: async (artifactId, first) => {
      const source = findSource(artifactId)
      if (source.isReleased) throw removedError(source)
      const pageCount = Math.ceil(source.entryCount / limits.manifestPageEntries)
      const length = Math.max(0, Math.min(pageCount - first, timePagesMax))
      return Array.from(
        { length },
        (_, index) => pages.encodedTimes(source.contentId, first + index) ?? null,
      )
    },
    readTreeChanges: async (baseId, headId, from) => {
      const lines: string[] = []
      const [base, head] = [findSource(baseId), findSource(headId)]
      if (base.manifestId === head.manifestId) return { lines: Buffer.alloc(0), next: null }
      const next = pairSome(base, head, from, (pair) => {
        lines.push(...changesOf(pair))
        return true
      })
      return { lines: Buffer.from(lines.join('')), next }
    },
    readDifferences: async (baseId, headId, from) => {
      const [base, head] = [findSource(baseId), findSource(headId)]
      if (base.manifestId === head.manifestId)
        return { differing: [], unchanged: base.entryCount - from.base, next: null }
      const whole: ComparedStretch = { differing: [], unchanged: 0, next: null }
      whole.next = pairSome(base, head, from, (pair) => {
        const { differing, unchanged } = compare(pair)
        whole.differing.push(...differing)
        whole.unchanged += unchanged
        return whole.differing.length < differencesMax
      })
      return whole
    },
  }
}

/** Pages of times per call: about 250 KB. */
const timePagesMax = 256

/** Pages of each tree compared per call: some milliseconds. */
const pagePairsMax = 4

/** Differences after which a call ends. The main thread takes ten microseconds for each. */
const differencesMax = 256

/** Returns a function that puts the differing entries of both sides into wire form. */
function createComparing(
  connection: Connection,
): (pair: PagePair) => Pick<ComparedStretch, 'differing' | 'unchanged'> {
  const pages = createPages(connection)
  const describe = createDescribing(connection)
  const toCompared = ({
    source,
    page,
    count,
    entries,
    indexes,
  }: PairedSide): (ComparedEntry | null)[] => {
    if (entries.length === 0) return indexes.map(() => null)
    const described = describe(source, entries)
    const times = pages.timesOf(source.contentId, page, count)
    let at = 0
    return indexes.map((index) =>
      index === null ? null : { entry: described[at++]!, modifiedAt: times[index] ?? null },
    )
  }
  return ({ before, after, unchanged }) => {
    const [befores, afters] = [toCompared(before), toCompared(after)]
    const pairs = befores.map((each, at) => ({ before: each, after: afters[at]! }) as EntryPair)
    // Two blobs can have the same content while the older one is being swept.
    const differing = pairs.filter(
      ({ before: one, after: other }) =>
        one === null || other === null || formatEntry(one.entry) !== formatEntry(other.entry),
    )
    return { differing, unchanged: unchanged + pairs.length - differing.length }
  }
}

/** Returns a function that returns the differences as lines, which takes fewer lookups. */
function createChanges(connection: Connection): (pair: PagePair) => string[] {
  const describe = createDescribing(connection)
  return ({ before, after }) => {
    const described = describe(after.source, after.entries)
    let [left, right] = [0, 0]
    return after.indexes.map((index, at) => {
      const gone = before.indexes[at] === null ? undefined : before.entries[left++]
      return index === null ? formatRemoval(gone!.path) : formatEntry(described[right++]!)
    })
  }
}
