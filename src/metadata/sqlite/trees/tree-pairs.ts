/** Pairs two trees, a page of each at a time: finds the entries that differ as far as pages
 *  show, by path, mode and blob id. Skips shared content without decoding paths, or even without
 *  opening the pages. */
import { limits } from '../../../core/limits.ts'
import { pairByPath } from '../../../core/manifest/paired-entries.ts'
import {
  differingIndexes,
  entriesOf,
  type PageColumns,
  type PageEntry,
  readNames,
  readPageColumns,
} from '../../manifest-page.ts'
import type { ComparePlace } from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { createPages, type Source } from './manifest-source.ts'

/** Entries of one side that the other lacks or has in another form. */
export interface PairedSide {
  source: Source
  page: number
  /** Number of entries in the whole page. */
  count: number
  entries: PageEntry[]
  /** Their positions in the page, with a null for each entry of the other side that this side
   *  lacks. */
  indexes: readonly (number | null)[]
}

export interface PagePair {
  before: PairedSide
  after: PairedSide
  unchanged: number
  /** Null at the end. */
  next: ComparePlace | null
}

/** A tree at the cursor of a comparison. */
interface Side {
  source: Source
  page: number
  /** The position of the cursor in the page. */
  index: number
  /** Undefined past the end of the tree. */
  stored: Buffer | undefined
}

/** Returns a function that pairs the rest of two pages from a place on.
 *  Errors: artifact_expired, artifact_deleted. */
export function createPairing(
  connection: Connection,
): (base: Source, head: Source, from: ComparePlace) => PagePair {
  const pages = createPages(connection)
  const size = limits.manifestPageEntries
  const open = (source: Source, ordinal: number): Side => {
    const [page, index] = [Math.floor(ordinal / size), ordinal % size]
    if (ordinal >= source.entryCount) return { source, page, index, stored: undefined }
    return { source, page, index, stored: pages.readStored(source, page) }
  }
  return (baseSource, headSource, from) => {
    const [base, head] = [open(baseSource, from.base), open(headSource, from.head)]
    const { before, after, unchanged, taken } = pairPages(base, head)
    const next = { base: from.base + taken.base, head: from.head + taken.head }
    const isOver = next.base >= baseSource.entryCount && next.head >= headSource.entryCount
    return {
      before: { source: baseSource, page: base.page, ...before },
      after: { source: headSource, page: head.page, ...after },
      unchanged,
      next: isOver ? null : next,
    }
  }
}

type Picked = Pick<PairedSide, 'count' | 'entries' | 'indexes'>

interface Paired {
  before: Picked
  after: Picked
  unchanged: number
  /** Number of entries consumed on each side. */
  taken: ComparePlace
}

function pairPages(base: Side, head: Side): Paired {
  const areFirst = base.index === 0 && head.index === 0
  if (areFirst && base.stored && head.stored?.equals(base.stored) === true) {
    const left = base.source.entryCount - base.page * limits.manifestPageEntries
    const count = Math.min(limits.manifestPageEntries, left)
    const none = { count, entries: [], indexes: [] }
    return { before: none, after: none, unchanged: count, taken: { base: count, head: count } }
  }
  const ours = base.stored && readPageColumns(base.stored)
  const theirs = head.stored && readPageColumns(head.stored)
  const aligned = areFirst && ours && theirs ? alignedPages(ours, theirs) : undefined
  return (
    aligned ??
    mergedPages({ columns: ours, index: base.index }, { columns: theirs, index: head.index })
  )
}

/** Pairs two pages with the same paths, without decoding these: the usual case, when files
 *  changed in place. */
function alignedPages(ours: PageColumns, theirs: PageColumns): Paired | undefined {
  const indexes = differingIndexes(ours, theirs)
  if (indexes === undefined) return undefined
  const { count } = ours
  const names = readNames(ours, indexes)
  return {
    before: { count, entries: entriesOf(ours, indexes, names), indexes },
    after: { count, entries: entriesOf(theirs, indexes, names), indexes },
    unchanged: count - indexes.length,
    taken: { base: count, head: count },
  }
}

/** Merges two pages, each from an index on. */
function mergedPages(
  base: { columns: PageColumns | undefined; index: number },
  head: { columns: PageColumns | undefined; index: number },
): Paired {
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
  return { before: picked(ours, befores), after: picked(theirs, afters), unchanged, taken }
}

/** Whether two entries at one path are certainly equal. */
function isSame(before: PageEntry, after: PageEntry): boolean {
  if (before.kind !== after.kind || before.mode !== after.mode) return false
  if (before.kind === 'file') return after.kind === 'file' && before.blobId === after.blobId
  if (before.kind === 'symlink') return after.kind === 'symlink' && before.target === after.target
  return true
}
