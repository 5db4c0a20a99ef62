/** Compaction: appends the live copies of packs that are mostly dead, or tiny, to new packs.
 *
 *    1. Read the live copies of a pack in the order of their offsets; append their bytes unchanged
 *       to an open pack.
 *    2. Seal it: the bytes are durable from here on.
 *    3. Move the rows, in short transactions, each only if it still points at the place that was
 *       copied.
 *    4. The old pack has no live copies left and is removed like any dead one, once no reader can
 *       know the old place.
 *
 *  Bytes are never changed, so streams keep their digests and representations their bytes
 *  (invariant 6). A crash leaves a sealed pack without a row, which recovery removes, or copies
 *  in two places, of which one is dead. */
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../../core/limits.ts'
import { registering } from '../../ingest/registering.ts'
import type { CopyMove, PackedCopy, PackOccupancy } from '../../metadata/metadata.ts'
import type { PackBody } from '../../packs/format/member-writer.ts'
import { openPackWriter, type PackWriter } from '../../packs/format/pack-format.ts'
import { readCopies } from './live-copies.ts'
import type { LifecyclePorts } from '../ports.ts'

export interface Compaction {
  rewrittenPacks: number
  /** Pack bytes written. */
  writtenBytes: number
}

/** Rewrites the live copies of `packs`. `pace` is awaited with the bytes of each read or write.
 *  Errors: storage_full, which leaves everything as it was except for packs already done. */
export async function compactPacks(
  ports: LifecyclePorts,
  packs: readonly PackOccupancy[],
  pace: Pace,
): Promise<Compaction> {
  // Separate targets, because joining streams share members; so the framing per copy of a pack
  // stays even (`aliveBytes`).
  const targets = { joining: createTarget(ports), foreign: createTarget(ports) }
  const both = [targets.joining, targets.foreign]
  let rewrittenPacks = 0
  try {
    for (const pack of packs) {
      for await (const { copy, body } of readCopies(ports, pack)) {
        ports.signal?.throwIfAborted()
        const target = copy.codec === 'joining' ? targets.joining : targets.foreign
        await target.append(pack.id, copy, body)
        await pace(copy.lengthBytes * 2)
      }
      rewrittenPacks += 1
    }
    for (const target of both) await target.flush()
  } finally {
    for (const target of both) await target.abort()
  }
  const writtenBytes = both.reduce((sum, target) => sum + target.writtenBytes(), 0)
  return { rewrittenPacks, writtenBytes }
}

/** Resolves when that many bytes may be moved. Errors: those of the signal that it has. */
export type Pace = (bytes: number) => Promise<void>

/** At most `bytesPerSecond` on average; null is unlimited. */
export function createPace(
  bytesPerSecond: number | null,
  signal?: AbortSignal,
  wait: typeof sleep<undefined> = sleep,
): Pace {
  if (bytesPerSecond === null) return async () => {}
  let freeAt = performance.now()
  return async (bytes) => {
    const now = performance.now()
    freeAt = Math.max(now, freeAt) + (bytes * 1000) / bytesPerSecond
    // Short debts are carried over to the next call: a timer per small copy would cost more than
    // the copy.
    if (freeAt - now < 50) return
    await wait(freeAt - now, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

function createTarget({ metadata, packs, checkpoint }: LifecyclePorts) {
  let writer: PackWriter | undefined
  let moves: CopyMove[] = []
  let written = 0

  /** Seals the open pack and moves its rows. */
  const flush = async (): Promise<void> => {
    if (writer === undefined) return
    await checkpoint?.('compact-filled')
    const sealed = await writer.seal()
    writer = undefined
    written += sealed.sizeBytes
    await checkpoint?.('compact-sealed')
    const copyBytes = moves.reduce((sum, move) => sum + move.lengthBytes, 0)
    await registering({ metadata, packs }, sealed.name, async () => {
      await metadata.moveCopies({ ...sealed, copyCount: moves.length, copyBytes }, moves)
    })
    moves = []
    await checkpoint?.('compact-moved')
  }

  return {
    append: async (fromPackId: number, copy: PackedCopy, body: PackBody): Promise<void> => {
      writer ??= await openPackWriter(packs)
      const { blob, codec, lengthBytes } = copy
      const isDamaged = copy.damaged
      const member = { blobDigest: blob.digest, codec, lengthBytes, isDamaged, ...blob }
      const { offset } = await writer.append(member, body)
      const { streamId, offset: fromOffset } = copy
      moves.push({ streamId, fromPackId, fromOffset, offset, lengthBytes })
      const { bytesWritten, copyCount } = writer
      if (bytesWritten >= limits.packTargetBytes || copyCount >= limits.packCopiesMax) {
        await flush()
      }
    },
    flush,
    abort: async (): Promise<void> => {
      await writer?.abort()
    },
    writtenBytes: (): number => written,
  }
}
