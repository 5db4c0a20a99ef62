/** Plans what is left to send as units of work. A unit is either a batch of small files, about
 *  as much as one message should carry, or one large file. The parts of a large file stay
 *  together, so that the server can hash it as they arrive. */
import { fileEndRecord } from '../../core/bytes/blob-exchange.ts'
import type { Composite } from '../../core/bytes/copy.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { batchesOf } from '../../core/slices.ts'
import { createContentIndex } from '../content-index.ts'
import type { EncodePiece } from '../files/file-tasks.ts'
import type { HashedTree } from './hashed-tree.ts'

export interface SendUnit {
  /** Pieces in sending order, grouped into tasks. */
  tasks: EncodePiece[][]
  /** Record that ends the unit of a large file that is sent whole. */
  end: Buffer | null
  /** Content bytes of the unit. */
  contentBytes: number
}

/** A large file after cutting. */
export interface CutFile {
  ordinal: number
  composite: Composite
  sizes: Uint32Array
  isCompressed: boolean
}

/** Content of one task: some milliseconds of work. */
const taskMax = { count: 256, bytes: 1024 * 1024 }

/** Splits missing files into small and large ones, each content only once. */
export function splitMissing(
  tree: HashedTree,
  missing: readonly number[],
): { small: number[]; large: number[] } {
  const firstLike = createContentIndex(missing.length, tree.digestBytes)
  const small: number[] = []
  const large: number[] = []
  for (const ordinal of missing) {
    if (firstLike(ordinal) !== ordinal) continue
    if (tree.sizeBytes(ordinal) < limits.chunkThresholdBytes) small.push(ordinal)
    else large.push(ordinal)
  }
  return { small, large }
}

export function* planSmall(
  tree: HashedTree,
  ordinals: readonly number[],
  level: number,
): Generator<SendUnit> {
  for (const batch of batchesOf(ordinals, tree.sizeBytes, taskMax)) {
    const pieces = batch.map((ordinal) => ({
      path: tree.source.sourceOf(ordinal),
      offset: 0,
      sizeBytes: tree.sizeBytes(ordinal),
      digest: tree.digest(ordinal),
      level,
      isFirstPart: false,
    }))
    yield { tasks: [pieces], end: null, contentBytes: contentBytesOf(pieces) }
  }
}

/** `sent` collects the digests of parts sent for all files, because files can share parts. */
export function planLarge(
  tree: HashedTree,
  file: CutFile,
  {
    isMissing,
    sent,
    level,
  }: { isMissing(part: number): boolean; sent: Set<Digest>; level: number },
): SendUnit {
  const path = tree.source.sourceOf(file.ordinal)
  const { parts } = file.composite
  const pieces: EncodePiece[] = []
  let offset = 0
  const wanted = parts.map((digest, index) => {
    if (!isMissing(index) || sent.has(digest)) return false
    sent.add(digest)
    return true
  })
  // The server can hash a file as it arrives only if all its parts are sent; otherwise it reads
  // them at the commit.
  const isWhole = wanted.every(Boolean)
  for (const [index, digest] of parts.entries()) {
    const sizeBytes = file.sizes[index]!
    if (wanted[index] === true) {
      pieces.push({
        path,
        offset,
        sizeBytes,
        digest,
        level: file.isCompressed ? 0 : level,
        isFirstPart: isWhole && index === 0,
      })
    }
    offset += sizeBytes
  }
  const tasks = [...batchesOf(pieces, (piece) => piece.sizeBytes, taskMax)]
  return { tasks, end: isWhole ? fileEndRecord : null, contentBytes: contentBytesOf(pieces) }
}

export function contentBytesOf(pieces: readonly EncodePiece[]): number {
  return pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
