/** Everyday tests make hundreds of stores, each of which waits for the disk with every commit. Where the system has room in
 *  memory their directories lie there; in CI, where `CI` is set, on the disk as those of users do. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const memory = '/dev/shm'
const bytesMin = 2 * 1024 ** 3

export function setup(): (() => void) | undefined {
  if (process.env['CI'] !== undefined || freeBytes(memory) < bytesMin) return undefined
  const directory = mkdtempSync(join(memory, 'trove-tests-'))
  // What the processes of tests inherit.
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
