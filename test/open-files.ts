/** Files that this process has open. */
import { readdirSync, readlinkSync } from 'node:fs'

export function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}

/** Number of open files in the directory, or that were there. */
export function openFilesIn(directory: string): number {
  const open = readdirSync('/proc/self/fd').map((fd) => readlinkOr(`/proc/self/fd/${fd}`))
  return open.filter((path) => path.startsWith(directory)).length
}

function readlinkOr(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    // Closed since the list was read.
    return ''
  }
}
