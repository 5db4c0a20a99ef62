/** The free room of a disk, asked for while bytes are written to it: a body can be longer than all that was free when it began,
 *  and the database must be able to write when the packs no longer may. */
import { statfs } from 'node:fs/promises'
import { storeError } from '../core/errors.ts'
import { formatSizeBytes } from '../core/units.ts'
import type { PackSink, PackStore } from './pack-store.ts'

/** Before `bytes` are written; without, whether any may be. Errors: storage_full. */
export type RequireRoom = (bytes?: number) => Promise<void>

/** How long an answer of the system is trusted while there is enough. */
const askEveryMs = 1000
/** Of what is free beyond the minimum, what is written before the system is asked again. Each thread has this share for itself,
 *  and what others write meanwhile is not known. */
const shareOfLook = 1 / 16

/** What the system would give us of the disk that holds `directory`. */
export async function readDisk(
  directory: string,
): Promise<{ freeBytes: number; totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(directory)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

/** Refuses what would leave less than `minFreeBytes`; 0 refuses nothing. Nobody is refused for what the system said before. Beyond the minimum go
 *  only the pieces that were about to be written when it was asked, 64 KiB of each body. */
export function createWatermark(
  minFreeBytes: number,
  readFreeBytes: () => Promise<number>,
): RequireRoom {
  let last: { at: number; freeBytes: number } | undefined
  let asking: Promise<number> | undefined
  /** Since the system was asked. */
  let writtenBytes = 0

  const ask = async (): Promise<number> => {
    writtenBytes = 0
    try {
      const freeBytes = await readFreeBytes()
      last = { at: performance.now(), freeBytes }
      return freeBytes
    } finally {
      asking = undefined
    }
  }
  const askNow = async (): Promise<number> => await (asking ??= ask())

  return async (bytes = 0) => {
    if (minFreeBytes === 0) return
    const isFresh = last !== undefined && performance.now() - last.at <= askEveryMs
    let freeBytes = isFresh ? last!.freeBytes : await askNow()
    const trustedBytes = (freeBytes - minFreeBytes) * shareOfLook
    if (isFresh && writtenBytes + bytes > trustedBytes) freeBytes = await askNow()
    if (freeBytes - writtenBytes - bytes < minFreeBytes) throw nearlyFull(freeBytes, minFreeBytes)
    writtenBytes += bytes
  }
}

function nearlyFull(freeBytes: number, minFreeBytes: number): Error {
  const [has, wants] = [formatSizeBytes(freeBytes), formatSizeBytes(minFreeBytes)]
  return storeError(
    'storage_full',
    `the disk of the store is nearly full: ${has} free, of which uploads leave ${wants} (TROVE_MIN_FREE)`,
    { neededBytes: Math.max(0, minFreeBytes - freeBytes) },
  )
}

/** The same store, whose new packs take only what there is room for. */
export function keepingRoom(packs: PackStore, requireRoom: RequireRoom): PackStore {
  return {
    ...packs,
    create: async (name): Promise<PackSink> => {
      const sink = await packs.create(name)
      return {
        ...sink,
        write: async (bytes) => {
          await requireRoom(bytes.length)
          await sink.write(bytes)
        },
      }
    },
  }
}
