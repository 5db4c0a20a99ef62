/** Finds out whether the store can still be written, by writing: a disk that failed, became
 *  read-only or lost its permissions often continues to serve reads. A full disk counts as
 *  writable, since deletes make room again. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCodeOf, hasCode, StoreError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Log } from '../log.ts'
import { asStoreError } from '../packs/local/errno.ts'

export interface WriteProbe {
  /** Returns why the store cannot be written, or null. That it can is remembered for
   *  `limits.writeProbeMs`. */
  check(): Promise<string | null>
}

export interface WriteProbeOptions {
  /** The data directory. `cas` in it may be another disk. */
  dataDir: string
  /** Receives a line each time the answer changes. */
  log: Log
}

export function createWriteProbe({ dataDir, log }: WriteProbeOptions): WriteProbe {
  const directories = [dataDir, join(dataDir, 'cas')]
  let fault: string | null = null
  let checkedAt = -Infinity
  /** A disk that hangs is not asked twice. */
  let running: Promise<void> | undefined

  const probe = async (): Promise<void> => {
    const found =
      (await Promise.all(directories.map(faultOf))).find((each) => each !== null) ?? null
    if (found !== null && fault === null)
      log.error('the store cannot be written', { reason: found })
    if (found === null && fault !== null) log.info('the store can be written again')
    fault = found
    checkedAt = performance.now()
  }
  return {
    check: async () => {
      if (fault !== null || performance.now() - checkedAt >= limits.writeProbeMs) {
        running ??= probe().finally(() => {
          running = undefined
        })
        await running
      }
      return fault
    },
  }
}

/** Returns null for a full disk and for too many open files, which say nothing about whether the
 *  disk works. Any other failed system call is a fault. */
async function faultOf(directory: string): Promise<string | null> {
  try {
    await writeAndRemove(join(directory, 'write-probe'))
    return null
  } catch (thrown) {
    const error = asStoreError(directory, thrown)
    if (hasCode(error, 'storage_full', 'busy')) return null
    if (error instanceof StoreError) return error.message
    const code = errorCodeOf(error)
    if (code === '') throw error
    return `${directory} is inaccessible (${code})`
  }
}

async function writeAndRemove(path: string): Promise<void> {
  try {
    // A write that was only cached says nothing about the medium.
    await writeFile(path, 'x', { mode: 0o600, flush: true })
  } finally {
    await rm(path, { force: true })
  }
}
