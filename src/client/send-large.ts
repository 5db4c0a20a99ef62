/** Large files: cut by content, and only the parts sent that are missing. */
import { partsMediaType } from '../api/negotiation.ts'
import { decodeOrdinals, listBytesMax, writeComposite } from '../core/blob-exchange.ts'
import { type Digest, digestFromBytes } from '../core/digest.ts'
import { createByteWriter } from '../core/varint.ts'
import type { HashedTree } from './hashed-tree.ts'
import { requestBytes } from './http.ts'
import { type Sending, sendUnits } from './sending.ts'
import { type CutFile, planLarge } from './upload-plan.ts'

/** Large files in groups: while one is sent, the threads can cut the next. */
export async function sendLarge(
  sending: Sending,
  uploadPath: string,
  ordinals: readonly number[],
): Promise<void> {
  const sent = new Set<Digest>()
  const groups = groupsOf(sending.tree, ordinals)
  let cutting = groups[0] === undefined ? undefined : cutFiles(sending, groups[0])
  for (let index = 0; cutting !== undefined; index++) {
    const files: CutFile[] = await cutting
    const next = groups[index + 1]
    cutting = next === undefined ? undefined : cutFiles(sending, next)
    cutting?.catch(() => {})
    const missing = await offerParts(sending, uploadPath, files)
    const units = files.map((file, at) => {
      const isMissing = (part: number): boolean => missing[at]!.has(part)
      const unit = planLarge(sending.tree, file, { isMissing, sent, level: sending.level })
      sending.progress.doneBytes += file.composite.sizeBytes - unit.contentBytes
      return unit
    })
    sending.onProgress(sending.progress)
    await sendUnits(sending, uploadPath, units)
  }
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

async function cutFiles({ pool, tree }: Sending, ordinals: readonly number[]): Promise<CutFile[]> {
  return await Promise.all(
    ordinals.map(async (ordinal) => {
      const { sizeBytes, crc32, sizes, digests, isCompressed } = await pool.run({
        kind: 'chunk',
        path: tree.source.sourceOf(ordinal),
      })
      const parts: Digest[] = []
      for (let at = 0; at < digests.length; at += 32)
        parts.push(digestFromBytes(digests.subarray(at, at + 32)))
      return {
        ordinal,
        composite: { digest: tree.digest(ordinal), sizeBytes, crc32, parts },
        sizes,
        isCompressed,
      }
    }),
  )
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
    const own = 64 + 32 * file.composite.parts.length
    if (bytes + own > listBytesMax / 2) await flush()
    writeComposite(out, file.composite)
    batch.push(file)
    bytes += own
  }
  await flush()
  return answers
}
