/** Large files: cut by content, and only the parts sent that are missing. */
import pLimit from 'p-limit'
import { partsMediaType } from '../../api/negotiation.ts'
import { decodeOrdinals, listBytesMax, writeComposite } from '../../core/blob-exchange.ts'
import { type Digest, digestFromBytes } from '../../core/digest.ts'
import { createByteWriter } from '../../core/varint.ts'
import { changedWhileUploading, FileError } from '../files/file-error.ts'
import type { HashedTree } from './hashed-tree.ts'
import { requestBytes } from '../transport/http.ts'
import type { Sending } from './sending.ts'
import { type CutFile, type SendUnit, planLarge } from './upload-plan.ts'

/** Units of large files, in groups: while one is sent, the threads cut the next. Begins with the first at once. */
export function largeUnits(
  sending: Sending,
  uploadPath: string,
  ordinals: readonly number[],
): AsyncIterable<SendUnit> {
  const sent = new Set<Digest>()
  const groups = groupsOf(sending.tree, ordinals)
  const begin = (index: number): Promise<SendUnit[]> | undefined => {
    const group = groups[index]
    if (group === undefined) return undefined
    const units = planGroup(sending, uploadPath, group, sent)
    // Its failure is met when its turn comes.
    units.catch(() => {})
    return units
  }
  const first = begin(0)
  return (async function* units() {
    let planned = first
    for (let index = 0; planned !== undefined; index++) {
      const group: SendUnit[] = await planned
      planned = begin(index + 1)
      yield* group
    }
  })()
}

/** Besides its parts a composite takes less than this of a list. */
const compositeHeadBytes = 64
const partsMax = (listBytesMax - compositeHeadBytes) / 32

/** Errors: FileError, also when the file is not what it was when it was hashed. */
async function cutFile({ pool, tree }: Sending, ordinal: number): Promise<CutFile> {
  const path = tree.source.sourceOf(ordinal)
  const cut = await pool.run({ kind: 'chunk', path })
  // While they are sent, parts are only compared with what was cut here.
  if (!tree.looksAsHashed(ordinal, cut.stats)) {
    const hashed = await pool.run({ kind: 'hash', paths: `${path}\0` })
    if (!tree.digestBytes(ordinal).equals(hashed.digests)) throw changedWhileUploading(path)
  }
  const { sizeBytes, crc32, sizes, digests, isCompressed } = cut
  if (digests.length > 32 * partsMax) {
    const count = digests.length / 32
    throw new FileError(
      path,
      `is too large: it has ${count} parts, and ${partsMax} can be listed, of some 280 GiB`,
    )
  }
  const parts: Digest[] = []
  for (let at = 0; at < digests.length; at += 32)
    parts.push(digestFromBytes(digests.subarray(at, at + 32)))
  const composite = { digest: tree.digest(ordinal), sizeBytes, crc32, parts }
  return { ordinal, composite, sizes, isCompressed }
}

async function planGroup(
  sending: Sending,
  uploadPath: string,
  ordinals: readonly number[],
  sent: Set<Digest>,
): Promise<SendUnit[]> {
  // Of this try, which may be over when the answers come.
  const { onHeld } = sending
  // Two for each thread, so that small files are encoded in between.
  const limit = pLimit(2 * sending.pool.threads)
  const files = await Promise.all(
    ordinals.map(async (ordinal) => await limit(() => cutFile(sending, ordinal))),
  )
  const missing = await offerParts(sending, uploadPath, files)
  const units = files.map((file, at) => {
    const isMissing = (part: number): boolean => missing[at]!.has(part)
    const unit = planLarge(sending.tree, file, { isMissing, sent, level: sending.level })
    const heldBytes = file.composite.sizeBytes - unit.contentBytes
    sending.progress.doneBytes += heldBytes
    onHeld(heldBytes)
    return unit
  })
  sending.onProgress(sending.progress)
  return units
}

/** Content of one group, so that lists of parts stay small. */
const groupBytes = 512 * 1024 * 1024

function groupsOf(tree: HashedTree, ordinals: readonly number[]): number[][] {
  const groups: number[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const ordinal of ordinals) {
    if (bytes >= groupBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(ordinal)
    bytes += tree.sizeBytes(ordinal)
  }
  return groups
}

/** Which parts of each file are missing. */
async function offerParts(
  sending: Sending,
  uploadPath: string,
  files: readonly CutFile[],
): Promise<Set<number>[]> {
  const answers: Set<number>[] = []
  let out = createByteWriter()
  let batch: CutFile[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return
    const body = out.bytes()
    sending.progress.sentBytes += body.length
    const missing = decodeOrdinals(
      await requestBytes(sending.server, {
        method: 'POST',
        path: `${uploadPath}/parts`,
        headers: { 'content-type': partsMediaType },
        body,
        repeatable: true,
        signal: sending.signal,
      }),
    )
    let at = 0
    let first = 0
    for (const { composite } of batch) {
      const own = new Set<number>()
      const end = first + composite.parts.length
      while (at < missing.length && missing[at]! < end) own.add(missing[at++]! - first)
      answers.push(own)
      first = end
    }
    out = createByteWriter()
    batch = []
    bytes = 0
  }
  for (const file of files) {
    const own = compositeHeadBytes + 32 * file.composite.parts.length
    if (bytes + own > listBytesMax / 2) await flush()
    writeComposite(out, file.composite)
    batch.push(file)
    bytes += own
  }
  await flush()
  return answers
}
