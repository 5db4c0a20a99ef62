/** Stats that identify the content of a file as far as its inode tells, as columns of numbers. */
import type { Stats } from 'node:fs'

/** Size, mtime ms, ctime ms, inode. */
export const statColumns = 4

export function columnsOf({ size, mtimeMs, ctimeMs, ino }: Stats): number[] {
  return [size, mtimeMs, ctimeMs, ino]
}
