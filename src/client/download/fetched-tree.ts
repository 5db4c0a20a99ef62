/** Fetches an artifact's entries, checked against the tree digest: all of them, or, where an older tree is at hand, only
 *  what is different. */
import { setImmediate } from 'node:timers/promises'
import { changesMediaType, manifestMediaType } from '../../api/negotiation.ts'
import { artifactPath } from '../../api/paths.ts'
import { createDigestHasher, type Digest, parseWireDigest } from '../../core/digest.ts'
import { digestMismatch } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { manifestHeader } from '../../core/manifest.ts'
import {
  applyChanges,
  changesHeader,
  type ManifestLines,
  type Stretch,
} from '../../core/manifest-changes.ts'
import { type BodyReader, readBody } from '../transport/body-reader.ts'
import { openAnswer, type ServerAccess } from '../transport/http.ts'
import { NetworkError } from '../transport/network-error.ts'
import { transferTriesMax, waitForTransfer } from '../transport/retry.ts'
import { isFileLine, readFileLine } from '../../core/manifest-text.ts'
import { createTreeColumns, type FetchedTree } from './tree-columns.ts'
import type { DestinationCache } from './destination-cache.ts'

/** An artifact, as far as fetching it needs to know it. */
export interface TreeSource {
  id: number
  treeDigest: string
}

/** Most bytes of a page of entries: each a line of two paths at most. */
const pageBytesMax =
  limits.manifestPageEntries * (limits.pathBytesMax + limits.symlinkTargetBytesMax + 128)

/** Of lines that are read at once; and how long they are read before others get a turn. */
const pieceBytes = 64 * 1024
const turnMs = 2

/** Entries whose lines the base had too, or had with the same path. */
export interface KnownLines {
  /** The first entry and the first line of the base; one of each where they differ. */
  readonly ordinal: number
  readonly line: number
  readonly count: number
  readonly areSame: boolean
}

export interface TreeAnswer {
  tree: FetchedTree
  /** In order; null when the base was of no use. */
  known: readonly KnownLines[] | null
}

/** `base`: a tree that was fetched before, which spares what did not change since. Begins anew, within bounds, when the
 *  answer breaks off. Errors: digest_mismatch, NetworkError, unsafe_path and duplicate_path (nothing that climbs gets past
 *  the parser), the server's. */
export async function fetchTree(
  server: ServerAccess,
  artifact: TreeSource,
  { base, signal }: { base: DestinationCache | null; signal: AbortSignal },
): Promise<TreeAnswer> {
  let known = base
  let isReached = false
  for (let failures = 1; ; failures++) {
    let isChanges = false
    try {
      const answer = await openAnswer(server, {
        path: `${artifactPath(artifact.id)}/tree`,
        query: { base: known?.artifactId ?? null },
        headers: { accept: `${changesMediaType}, ${manifestMediaType}` },
        signal,
      })
      isReached = true
      isChanges = known !== null && answer.header('content-type') === changesMediaType
      return isChanges
        ? await readBody(answer, async (body) => await readChanges(body, artifact, known!))
        : await readBody(answer, async (body) => await readTree(body, artifact))
    } catch (error) {
      // A base that is not what it was: the whole tree says more than why.
      if (isChanges && !(error instanceof NetworkError)) known = null
      else if (!(error instanceof NetworkError) || !isReached) throw error
      else if (failures >= transferTriesMax) throw error
      else await waitForTransfer(failures, signal)
    }
  }
}

async function readTree(body: BodyReader, artifact: TreeSource): Promise<TreeAnswer> {
  const tree = createTreeColumns()
  const hasher = createDigestHasher()
  hasher.update(await body.take(Buffer.byteLength(manifestHeader)))
  for (;;) {
    const lines = await readPage(body)
    if (lines.length === 0) break
    hasher.update(lines)
    const before = tree.count
    tree.addLines(lines)
    tree.addTimes(await readPage(body), tree.count - before)
  }
  checkDigest(artifact, hasher.digest())
  return { tree, known: null }
}

/** Pages of changes, an empty one at their end; then how many entries have their times in a page, and these pages. */
async function readChanges(
  body: BodyReader,
  artifact: TreeSource,
  base: DestinationCache,
): Promise<TreeAnswer> {
  const header = await body.take(changesHeader.length)
  if (header.toString() !== changesHeader) throw new RangeError('unknown changes of a manifest')
  const changes: Buffer[] = []
  for (;;) {
    const page = await readPage(body)
    if (page.length === 0) break
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
  for (let at = 0; at < tree.count; at += timesPerPage)
    tree.addTimes(await readPage(body), Math.min(timesPerPage, tree.count - at))
  return { tree, known }
}

/** Whether a line has the path and kind of the one whose place it takes. Where all do, and others at most went away, paths
 *  are as they were judged when the base came. Errors: RangeError. */
function keepsPath({ text, baseLine }: Stretch, base: ManifestLines): boolean {
  if (baseLine === null || base.text[base.starts[baseLine]!] !== text[0]) return false
  if (isFileLine(text, 0)) readFileLine(text, 0, text.length - 1)
  return true
}

/** Whole lines, about as many as take a millisecond at most. */
function* piecesOf(lines: Buffer): Iterable<Buffer> {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf('\n', at + pieceBytes) + 1
    const next = end === 0 ? lines.length : end
    yield lines.subarray(at, next)
    at = next
  }
}

/** Errors: digest_mismatch. */
function checkDigest({ id, treeDigest }: TreeSource, actual: Digest): void {
  const expected = parseWireDigest(treeDigest)
  if (expected === undefined || actual === expected) return
  throw digestMismatch(`the entries of artifact ${id}`, expected, actual)
}

/** A buffer of its own: what was taken from the front of a body keeps what came with it. */
async function readPage(body: BodyReader): Promise<Buffer> {
  const length = await readVarint(body)
  if (length > pageBytesMax) throw new RangeError(`a page of ${length} bytes is too large`)
  return Buffer.from(await body.take(length))
}

async function readVarint(body: BodyReader): Promise<number> {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const [byte = 0] = await body.take(1)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
}
