/** Whether files are as they were known: one look at each, none is opened. Runs in worker threads. */
import { unverified, type VerifyAnswer, type VerifyTask } from './file-tasks.ts'
import { createRealDirectories, lookAt, parentOf } from './real-directories.ts'
import { statColumns } from './stat-cache.ts'

export function verifyFiles({ root, paths, stats }: VerifyTask): VerifyAnswer {
  const list = Buffer.from(paths.buffer, paths.byteOffset, paths.length).toString().split('\n')
  list.pop()
  const isReal = createRealDirectories(root)
  const modes = new Uint16Array(list.length).fill(unverified)
  for (const [index, path] of list.entries()) {
    // A file that is seen through a link is not in DEST.
    if (!isReal(parentOf(path))) continue
    const found = lookAt(`${root}/${path}`)
    const at = index * statColumns
    const isSame =
      found?.isFile() === true &&
      found.size === stats[at] &&
      found.mtimeMs === stats[at + 1] &&
      found.ctimeMs === stats[at + 2] &&
      found.ino === stats[at + 3]
    if (isSame) modes[index] = found.mode & 0o777
  }
  return { modes }
}
