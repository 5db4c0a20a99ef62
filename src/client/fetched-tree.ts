/** An artifact's entries as a download needs them, in columns; checked against the tree digest. */
import { manifestMediaType } from '../api/negotiation.ts'
import { artifactPath } from '../api/paths.ts'
import {
  createDigestHasher,
  type Digest,
  digestFromBytes,
  parseWireDigest,
} from '../core/digest.ts'
import { type EntryKind, parseEntryPath } from '../core/entry.ts'
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { createTreeCheck, manifestHeader, readEntry, readFileLine } from '../core/manifest.ts'
import { decodeTimes } from '../core/modification-times.ts'
import type { Answer } from './answer.ts'
import { type BodyReader, openBodyReader } from './body-reader.ts'
import { openAnswer, type ServerAccess } from './http.ts'
import { NetworkError } from './network-error.ts'
import { transferTriesMax, waitForTransfer } from './retry.ts'

export interface FetchedTree {
  readonly count: number
  readonly paths: readonly string[]
  kind(ordinal: number): EntryKind
  mode(ordinal: number): number
  sizeBytes(ordinal: number): number
  digest(ordinal: number): Digest
  /** The digest as bytes, which must not be changed. */
  digestBytes(ordinal: number): Buffer
  /** Whether its digest is what `bytes` has at `at`; makes no object, since a download asks for each file. */
  hasDigest(ordinal: number, bytes: Uint8Array, at: number): boolean
  linkTarget(ordinal: number): string
  /** Whole seconds; null where the upload carried none. */
  modifiedAt(ordinal: number): number | null
}

const kinds: readonly EntryKind[] = ['file', 'directory', 'symlink']
const lineFeed = 0x0a
const fileLine = 'f'.charCodeAt(0)
/** A page of entries: each a line of two paths at most. */
const pageBytesMax =
  limits.manifestPageEntries * (limits.pathBytesMax + limits.symlinkTargetBytesMax + 128)

/** Begins anew, within bounds, when the answer breaks off.
 *  Errors: digest_mismatch, NetworkError, unsafe_path (nothing that climbs gets past the parser), the server's. */
export async function fetchTree(
  server: ServerAccess,
  artifact: { id: number; treeDigest: string },
  signal: AbortSignal,
): Promise<FetchedTree> {
  for (let failures = 1; ; failures++) {
    const answer = await openAnswer(server, {
      path: `${artifactPath(artifact.id)}/tree`,
      headers: { accept: manifestMediaType },
      signal,
    })
    try {
      return await readTree(answer, artifact)
    } catch (error) {
      if (!(error instanceof NetworkError) || failures >= transferTriesMax) throw error
      await waitForTransfer(failures, signal)
    }
  }
}

async function readTree(
  answer: Answer,
  artifact: { id: number; treeDigest: string },
): Promise<FetchedTree> {
  const body = openBodyReader(answer)
  const tree = createTree()
  const hasher = createDigestHasher()
  const header = await body.take(Buffer.byteLength(manifestHeader))
  hasher.update(header)
  for (;;) {
    const length = await readVarint(body)
    if (length === 0) break
    if (length > pageBytesMax) throw new RangeError(`a page of ${length} bytes is too large`)
    const text = await body.take(length)
    hasher.update(text)
    const times = await body.take(await readVarint(body))
    tree.addPage(text, times)
  }
  const actual = hasher.digest()
  const expected = parseWireDigest(artifact.treeDigest)
  if (expected !== undefined && actual !== expected) {
    throw storeError(
      'digest_mismatch',
      `the entries of artifact ${artifact.id}: expected ${expected}, got ${actual}`,
      {
        expected,
        actual,
      },
    )
  }
  return tree
}

async function readVarint(body: BodyReader): Promise<number> {
  let value = 0
  for (let scale = 1; ; scale *= 0x80) {
    const [byte = 0] = await body.take(1)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
}

function createTree(): FetchedTree & { addPage(text: Buffer, times: Buffer): void } {
  const paths: string[] = []
  const kindOf: number[] = []
  const modes: number[] = []
  const sizes: number[] = []
  const seconds: (number | null)[] = []
  const targets = new Map<number, string>()
  // A file below a link would be written wherever the link points.
  const check = createTreeCheck()
  let digests = Buffer.allocUnsafe(32 * 1024)

  // The digest of the whole vouches for the form of each line; only paths are judged.
  const addLine = (text: Buffer, at: number, end: number): void => {
    const ordinal = paths.length
    if ((ordinal + 1) * 32 > digests.length) digests = Buffer.concat([digests], digests.length * 2)
    if (text[at] === fileLine) {
      const { path, mode, sizeBytes } = readFileLine(text, [at, end], digests, ordinal * 32)
      check({ kind: 'file', path })
      paths.push(path)
      kindOf.push(kinds.indexOf('file'))
      modes.push(mode)
      sizes.push(sizeBytes)
      return
    }
    const entry = readEntry(text.toString('utf8', at, end), parseEntryPath)
    check(entry)
    paths.push(owned(entry.path))
    kindOf.push(kinds.indexOf(entry.kind))
    modes.push(entry.mode)
    sizes.push(0)
    if (entry.kind === 'symlink') targets.set(ordinal, entry.target)
  }

  return {
    get count() {
      return paths.length
    },
    paths,
    kind: (ordinal) => kinds[kindOf[ordinal]!]!,
    mode: (ordinal) => modes[ordinal]!,
    sizeBytes: (ordinal) => sizes[ordinal]!,
    digest: (ordinal) => digestFromBytes(digests.subarray(ordinal * 32, ordinal * 32 + 32)),
    digestBytes: (ordinal) => digests.subarray(ordinal * 32, ordinal * 32 + 32),
    hasDigest: (ordinal, bytes, at) => {
      for (let index = 0; index < 32; index++) {
        if (digests[ordinal * 32 + index] !== bytes[at + index]) return false
      }
      return true
    },
    linkTarget: (ordinal) => targets.get(ordinal)!,
    modifiedAt: (ordinal) => seconds[ordinal] ?? null,
    addPage: (text, times) => {
      const first = paths.length
      for (let at = 0; at < text.length;) {
        const end = text.indexOf(lineFeed, at)
        if (end < 0) throw new RangeError('a page of a manifest does not end with a line')
        addLine(text, at, end)
        at = end + 1
      }
      const count = paths.length - first
      if (times.length > 0) seconds.push(...decodeTimes(times, count))
      else for (let left = count; left > 0; left--) seconds.push(null)
    },
  }
}

/** A string of its own: a part of a longer one would keep the line that it came in. */
function owned(text: string): string {
  return Buffer.from(text).toString()
}
