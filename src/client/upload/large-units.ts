/** Cuts large files into parts and sends only those that the server lacks. */
import pLimit from 'p-limit'
import { type Digest, digestsFromBytes, formatWireDigest } from '../../core/bytes/digest.ts'
import { hasCode } from '../../core/errors.ts'
import { batchesOf } from '../../core/slices.ts'
import { changedWhileUploading, FileError } from '../files/file-error.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { HashedTree } from './hashed-tree.ts'
import { type CutFile, type SendUnit, planLarge } from './upload-plan.ts'
import { offerParts, partsMax, type UploadSession } from './upload-session.ts'

/** Content per group, which keeps the lists of parts small. */
const groupMax = { count: Number.POSITIVE_INFINITY, bytes: 512 * 1024 * 1024 }

interface Cutting {
  session: UploadSession
  pool: FilePool
  tree: HashedTree
  level: number
}

/** Yields units of large files, planned in groups: while one group is sent, the workers cut the
 *  next. The first group is started immediately. `onHeld` is called with content bytes that the
 *  server turns out to have. */
export function largeUnits(
  cutting: Cutting,
  ordinals: readonly number[],
  onHeld: (bytes: number) => void,
): AsyncIterable<SendUnit> {
  const sent = new Set<Digest>()
  const groups = batchesOf(ordinals, cutting.tree.sizeBytes, groupMax)
  const begin = (): Promise<SendUnit[]> | undefined => {
    const group = groups.next()
    if (group.done === true) return undefined
    const units = planGroup(cutting, group.value, sent, onHeld)
    // A rejection is handled when its group's turn comes.
    units.catch(() => {})
    return units
  }
  let planned = begin()
  return (async function* units() {
    while (planned !== undefined) {
      const group = await planned
      planned = begin()
      yield* group
    }
  })()
}

/** Returns the error to report for a refused commit. A file that changed while it was cut can look
 *  as it did when it was hashed; then only the server finds that its parts are not the file, and
 *  it knows no path. */
export function refusedCommit({ source, digest }: HashedTree, error: unknown): unknown {
  if (!hasCode(error, 'digest_mismatch')) return error
  // In the problem of a server it has its wire form.
  const expected: string = error.details.expected
  for (let ordinal = 0; ordinal < source.count; ordinal++) {
    if (source.kind(ordinal) === 'file' && formatWireDigest(digest(ordinal)) === expected)
      return changedWhileUploading(source.sourceOf(ordinal))
  }
  return error
}

/** Errors: FileError, also when the file has changed since it was hashed. */
async function cutFile({ pool, tree }: Cutting, ordinal: number): Promise<CutFile> {
  const path = tree.source.sourceOf(ordinal)
  const cut = await pool.run({ kind: 'chunk', path })
  // While sending, parts are only checked against the digests found here, so the whole must match
  // the hashed file.
  if (!tree.looksAsHashed(ordinal, cut.stats)) {
    const hashed = await pool.run({ kind: 'hash', paths: `${path}\0` })
    if (!tree.digestBytes(ordinal).equals(hashed.digests)) throw changedWhileUploading(path)
  }
  const { sizeBytes, crc32, sizes, digests, isCompressed } = cut
  if (sizes.length > partsMax) {
    throw new FileError(
      path,
      `is too large: it has ${sizes.length} parts, and the limit is ${partsMax} (about 280 GiB)`,
    )
  }
  const parts = digestsFromBytes(digests)
  const composite = { digest: tree.digest(ordinal), sizeBytes, crc32, parts }
  return { ordinal, composite, sizes, isCompressed }
}

async function planGroup(
  cutting: Cutting,
  ordinals: readonly number[],
  sent: Set<Digest>,
  onHeld: (bytes: number) => void,
): Promise<SendUnit[]> {
  const { session, pool, tree, level } = cutting
  // Two per worker, so that small files are encoded in between.
  const limit = pLimit(2 * pool.threads)
  const files = await Promise.all(
    ordinals.map(async (ordinal) => {
      return await limit(() => {
        session.signal.throwIfAborted()
        return cutFile(cutting, ordinal)
      })
    }),
  )
  const missing = await offerParts(
    session,
    files.map((file) => file.composite),
  )
  session.signal.throwIfAborted()
  return files.map((file, at) => {
    const isMissing = (part: number): boolean => missing[at]!.has(part)
    const unit = planLarge(tree, file, { isMissing, sent, level })
    onHeld(file.composite.sizeBytes - unit.contentBytes)
    return unit
  })
}
