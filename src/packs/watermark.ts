/** Checks free disk space while bytes are written: a body can be larger than all the space that was
 *  free when it began, and the database must still be able to write when packs no longer may. */
import { statfs } from 'node:fs/promises'
import { storeError } from '../core/errors.ts'
import { formatSizeBytes } from '../core/units.ts'
import type { PackSink, PackStore } from './pack-store.ts'

/** Called before `bytes` are written; without an argument, checks whether any may be.
 *  Errors: storage_full. */
export type RequireRoom = (bytes?: number) => Promise<void>

/** How long a reading is used while it shows enough free space. */
const refreshMs = 1000
/** Share of the free space above the minimum that may be written before the next reading. Each
 *  thread has this share to itself, and does not know what other threads and processes write
 *  meanwhile. */
const shareOfReading = 1 / 16

/** Free and total bytes, as available to this process, of the disk that holds `directory`. */
export async function readDisk(
  directory: string,
): Promise<{ freeBytes: number; totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(directory)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

/** Rejects writes that would leave less than `minFreeBytes` free; 0 disables the check. A write is
 *  rejected only on a fresh reading, never on a cached one. Only pieces already in flight at that
 *  moment (64 KiB per body) can go below the minimum. */
export function createWatermark(
  minFreeBytes: number,
  readFreeBytes: () => Promise<number>,
): RequireRoom {
  let last: { at: number; freeBytes: number } | undefined
  let reading: Promise<number> | undefined
  /** Bytes written since the last reading. */
  let writtenBytes = 0

  const read = async (): Promise<number> => {
    writtenBytes = 0
    try {
      const freeBytes = await readFreeBytes()
      last = { at: performance.now(), freeBytes }
      return freeBytes
    } finally {
      reading = undefined
    }
  }
  const refresh = async (): Promise<number> => await (reading ??= read())

  return async (bytes = 0) => {
    if (minFreeBytes === 0) return
    const isFresh = last !== undefined && performance.now() - last.at <= refreshMs
    let freeBytes = isFresh ? last!.freeBytes : await refresh()
    const trustedBytes = (freeBytes - minFreeBytes) * shareOfReading
    if (isFresh && writtenBytes + bytes > trustedBytes) freeBytes = await refresh()
    if (freeBytes - writtenBytes - bytes < minFreeBytes) throw nearlyFull(freeBytes, minFreeBytes)
    writtenBytes += bytes
  }
}

function nearlyFull(freeBytes: number, minFreeBytes: number): Error {
  const [has, wants] = [formatSizeBytes(freeBytes), formatSizeBytes(minFreeBytes)]
  return storeError(
    'storage_full',
    `the disk of the store is nearly full: ${has} free, of which ${wants} must stay free (TROVE_MIN_FREE)`,
    { neededBytes: Math.max(0, minFreeBytes - freeBytes) },
  )
}

/** Wraps a pack store so that writes to new packs require room. */
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
