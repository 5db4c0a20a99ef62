/** Puts temporary directories into memory where there is room: the tests create hundreds of
 *  stores, and each of their commits would wait for the disk. In CI (`CI` is set) they are on
 *  disk, as in production. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const memory = '/dev/shm'
const bytesMin = 2 * 1024 ** 3

export function setup(): (() => void) | undefined {
  if (process.env['CI'] !== undefined || freeBytes(memory) < bytesMin) return undefined
  const directory = mkdtempSync(join(memory, 'trove-tests-'))
  // Inherited by the test processes.
  process.env['TMPDIR'] = directory
  return () => {
    rmSync(directory, { recursive: true, force: true })
  }
}

function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return 0
  }
}
