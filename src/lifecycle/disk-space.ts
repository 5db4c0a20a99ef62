/** Room on the disk. Uploads are refused when there is too little, so that reading, deleting and
 *  the database continue. A reserve file is kept, to be deleted when even deleting artifacts
 *  finds no room. */
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { limits } from '../core/limits.ts'
import { ignoringAbsence } from '../packs/local/errno.ts'
import { createWatermark, readDisk, type RequireRoom } from '../packs/watermark.ts'
import { hasErrno } from '../core/errors.ts'

export interface DiskSpace {
  /** Free space below which uploads are refused. */
  readonly minFreeBytes: number
  /** Applies that limit to uploads. */
  requireRoom: RequireRoom
  /** The space free now, and the limits. */
  measure(): Promise<DiskFigures>
  /** Whether after `bytes` more the disk still has half of that minimum free. */
  hasRoom(bytes: number): Promise<boolean>
  /** Call before work that frees bytes: deletes the reserve when the disk is nearly full. */
  makeRoom(): Promise<void>
  /** Restores the reserve when there is room again. */
  restoreReserve(): Promise<void>
}

export interface DiskFigures {
  freeBytes: number
  totalBytes: number
  minFreeBytes: number
}

export interface DiskSpaceOptions {
  /** The directory of the store. */
  directory: string
  /** Null: `limits.minFreeBytes`, or a hundredth of the disk if that is less. */
  minFreeBytes: number | null
  readDisk?: typeof readDisk
}

export async function openDiskSpace({
  directory,
  minFreeBytes: wanted,
  readDisk: read = readDisk,
}: DiskSpaceOptions): Promise<DiskSpace> {
  const reserve = join(directory, 'reserve')
  const { totalBytes } = await read(directory)
  const minFreeBytes = wanted ?? Math.min(limits.minFreeBytes, Math.floor(totalBytes / 100))
  const reserveBytes = Math.min(limits.reserveBytesMax, Math.floor(minFreeBytes / 4))
  const free = async (): Promise<number> => (await read(directory)).freeBytes
  const restoreReserve = async (): Promise<void> => {
    const kept = await ignoringAbsence(() => stat(reserve))
    if ((kept?.size ?? 0) >= reserveBytes) return
    if ((await free()) < minFreeBytes + reserveBytes) return
    try {
      await fill(reserve, reserveBytes)
    } catch (error) {
      // A disk quota, or writes of others in the meantime. A server starts and collects garbage
      // without a reserve too.
      if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error
      await rm(reserve, { force: true })
    }
  }
  await restoreReserve()

  return {
    minFreeBytes,
    requireRoom: createWatermark(minFreeBytes, free),
    measure: async () => ({ ...(await read(directory)), minFreeBytes }),
    hasRoom: async (bytes) => (await free()) - bytes >= minFreeBytes / 2,
    makeRoom: async () => {
      if ((await free()) < reserveBytes) await rm(reserve, { force: true })
    },
    restoreReserve,
  }
}

/** Writes real blocks: a sparse file reserves nothing. */
async function fill(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w')
  try {
    const zeros = Buffer.alloc(1024 * 1024)
    for (let at = 0; at < bytes;) {
      at += (await file.write(zeros, 0, Math.min(zeros.length, bytes - at))).bytesWritten
    }
    await file.sync()
  } finally {
    await file.close()
  }
}
