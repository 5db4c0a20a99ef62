/** Fetches an artifact's entries and checks them against the tree digest: all of them, or only
 *  the changes from an older tree that is cached. */
import { setImmediate } from 'node:timers/promises'
import { changesMediaType, manifestMediaType } from '../../api/negotiation.ts'
import { artifactPath } from '../../api/paths.ts'
import { createDigestHasher, type Digest } from '../../core/bytes/digest.ts'
import { digestMismatch } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import {
  manifestEntriesMax,
  manifestHeader,
  manifestTextBytesMax,
} from '../../core/manifest/manifest.ts'
import {
  applyChanges,
  changesHeader,
  type ManifestLines,
  type Stretch,
} from '../../core/manifest/manifest-changes.ts'
import type { Answer } from '../transport/answer.ts'
import { type BodyReader, readBody } from '../transport/body-reader.ts'
import { openAnswer, type ServerAccess } from '../transport/http.ts'
import { digestIn } from '../transport/message.ts'
import { NetworkError } from '../transport/network-error.ts'
import { untilRead } from '../transport/retry.ts'
import { encodedTimesBytesMax } from '../../core/manifest/modification-times.ts'
import { formatCount, formatSizeBytes } from '../../core/units.ts'
import { isFileLine, readFileLine } from '../../core/manifest/manifest-text.ts'
import { createTreeColumns, type FetchedTree } from './tree-columns.ts'
import type { DestinationCache } from './destination-cache.ts'

/** What must be known of an artifact to fetch its tree. */
export interface TreeSource {
  id: number
  treeDigest: string
}

/** Upper bound on the bytes of a page of entries; each is a line with at most two paths. */
const pageBytesMax =
  limits.manifestPageEntries * (limits.pathBytesMax + limits.symlinkTargetBytesMax + 128)

type Bounds = Record<'entries' | 'textBytes', number>

/** Upper bounds on a tree: a hostile server could send one without end. */
const treeBounds: Bounds = { entries: manifestEntriesMax, textBytes: manifestTextBytesMax }

const lineFeed = 0x0a
/** Bytes of lines read in one piece, and how long reading may block the event loop. */
const pieceBytes = 64 * 1024
const turnMs = 2

/** Entries whose line is in the base too, or whose path has another line there. */
export interface KnownLines {
  /** The first entry and its line in the base; a range with different lines has exactly one
   *  entry. */
  readonly ordinal: number
  readonly line: number
  readonly count: number
  readonly areSame: boolean
}

export interface TreeAnswer {
  tree: FetchedTree
  /** In order; null when the base could not be used. */
  known: readonly KnownLines[] | null
}

/** `base` is a tree fetched earlier; only changes from it are transferred. Starts over, a
 *  bounded number of times, when a response breaks off. Errors: digest_mismatch, NetworkError,
 *  AnswerError, unsafe_path and duplicate_path (the parser lets nothing pass that
 *  leads out of DEST), and the server's. */
export async function fetchTree(
  server: ServerAccess,
  artifact: TreeSource,
  {
    base,
    signal,
    bounds = treeBounds,
  }: { base: DestinationCache | null; signal: AbortSignal; bounds?: Bounds },
): Promise<TreeAnswer> {
  const { id, treeDigest } = artifact
  const wanted = { id, expected: digestIn(server, treeDigest), bounds }
  const request = {
    path: `${artifactPath(id)}/tree`,
    query: { base: base?.artifactId ?? null },
    headers: { accept: `${changesMediaType}, ${manifestMediaType}` },
    signal,
  }
  /** Returns null when the base does not match. */
  const read = async (answer: Answer): Promise<TreeAnswer | null> => {
    if (base === null || answer.header('content-type') !== changesMediaType)
      return await readBody(server, answer, async (body) => await readTree(body, wanted))
    try {
      return await readBody(server, answer, async (body) => await readChanges(body, wanted, base))
    } catch (error) {
      if (error instanceof NetworkError) throw error
      return null
    }
  }
  const open = async (): Promise<Answer> => await openAnswer(server, request)
  const known = await untilRead(open, read, { signal })
  return known ?? (await fetchTree(server, artifact, { base: null, signal, bounds }))
}

/** The digest that the tree of an artifact must have. */
interface Expectation {
  id: number
  expected: Digest
  bounds: Bounds
}

/** Errors: RangeError. */
function requireWithin(bounds: Bounds, { entries, textBytes }: Bounds): void {
  if (entries > bounds.entries)
    throw new RangeError(`a tree of more than ${formatCount(bounds.entries)} entries`)
  if (textBytes > bounds.textBytes)
    throw new RangeError(`a tree of more than ${formatSizeBytes(bounds.textBytes)} of text`)
}

async function readTree(body: BodyReader, artifact: Expectation): Promise<TreeAnswer> {
  const tree = createTreeColumns()
  const hasher = createDigestHasher()
  let textBytes = 0
  const header = await body.take(Buffer.byteLength(manifestHeader))
  if (header.toString() !== manifestHeader) throw new RangeError('unknown format of a manifest')
  hasher.update(header)
  for (;;) {
    const lines = await readPage(body)
    if (lines.length === 0) break
    hasher.update(lines)
    const before = tree.count
    tree.addLines(lines)
    textBytes += lines.length
    requireWithin(artifact.bounds, { entries: tree.count, textBytes })
    tree.addTimes(await readTimes(body, tree.count - before), tree.count - before)
  }
  checkDigest(artifact, hasher.digest())
  return { tree, known: null }
}

/** The body has pages of changes, then an empty page; then the number of entries per page of
 *  times, and these pages. */
async function readChanges(
  body: BodyReader,
  artifact: Expectation,
  base: DestinationCache,
): Promise<TreeAnswer> {
  const header = await body.take(changesHeader.length)
  if (header.toString() !== changesHeader)
    throw new RangeError('unknown format of manifest changes')
  const changes: Buffer[] = []
  let [lines, textBytes] = [0, 0]
  for (;;) {
    const page = await readPage(body)
    if (page.length === 0) break
    for (let at = page.indexOf(lineFeed); at >= 0; at = page.indexOf(lineFeed, at + 1)) lines += 1
    textBytes += page.length
    // Each entry of the base can be removed, and each of the tree be new.
    requireWithin(artifact.bounds, { entries: lines / 2, textBytes: textBytes / 2 })
    changes.push(page)
  }
  const hasher = createDigestHasher()
  hasher.update(Buffer.from(manifestHeader))
  const tree = createTreeColumns()
  const known: KnownLines[] = []
  const stretches = applyChanges(base, Buffer.concat(changes))
  const arePathsJudged = stretches.every((stretch) => stretch.isKept || keepsPath(stretch, base))
  let begun = performance.now()
  for (const { text, isKept, baseLine } of stretches) {
    const ordinal = tree.count
    for (const lines of piecesOf(text)) {
      hasher.update(lines)
      if (arePathsJudged) tree.addJudgedLines(lines)
      else tree.addLines(lines)
      if (performance.now() - begun < turnMs) continue
      await setImmediate()
      begun = performance.now()
    }
    if (baseLine !== null)
      known.push({ ordinal, line: baseLine, count: tree.count - ordinal, areSame: isKept })
  }
  checkDigest(artifact, hasher.digest())
  const timesPerPage = Math.max(1, await readVarint(body))
  for (let at = 0; at < tree.count; at += timesPerPage) {
    const own = Math.min(timesPerPage, tree.count - at)
    tree.addTimes(await readTimes(body, own), own)
  }
  return { tree, known }
}

/** Whether a changed line has the path and kind of the line that it replaces. When all do, and
 *  other lines are only removed, all paths were validated when the base was fetched. Errors:
 *  RangeError. */
function keepsPath({ text, baseLine }: Stretch, base: ManifestLines): boolean {
  if (baseLine === null || base.text[base.starts[baseLine]!] !== text[0]) return false
  if (isFileLine(text, 0)) readFileLine(text, 0, text.length - 1)
  return true
}

/** Splits into whole lines, each piece taking at most about a millisecond. */
function* piecesOf(lines: Buffer): Iterable<Buffer> {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf('\n', at + pieceBytes) + 1
    const next = end === 0 ? lines.length : end
    yield lines.subarray(at, next)
    at = next
  }
}

/** Errors: digest_mismatch. */
function checkDigest({ id, expected }: Expectation, actual: Digest): void {
  if (actual !== expected) throw digestMismatch(`the entries of artifact ${id}`, expected, actual)
}

/** Copies the bytes: a slice would keep alive everything that arrived with it. */
async function readPage(body: BodyReader, bytesMax = pageBytesMax): Promise<Buffer> {
  const length = await readVarint(body)
  if (length > bytesMax) throw new RangeError(`a page of ${length} bytes is too large`)
  return Buffer.from(await body.take(length))
}

/** Reads the times of `count` entries; the page may be empty. */
async function readTimes(body: BodyReader, count: number): Promise<Buffer> {
  return await readPage(body, Math.min(pageBytesMax, encodedTimesBytesMax(count)))
}

async function readVarint(body: BodyReader): Promise<number> {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const [byte = 0] = await body.take(1)
    value += (byte & 0x7f) * scale
    if (!Number.isSafeInteger(value)) throw new RangeError('integer out of range')
    if (byte < 0x80) return value
  }
}
