/** Whether files are as they were known: one look at each, none is opened. */
import { unverified, type VerifyAnswer, type VerifyTask } from './file-tasks.ts'
import { createRealDirectories, lookAt, parentOf } from './real-directories.ts'
import { statColumns } from './stat-cache.ts'

export function verifyFiles({ root, lines, stats }: Omit<VerifyTask, 'kind'>): VerifyAnswer {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.length).toString()
  const directories: string[] = []
  const directoryModes: number[] = []
  const isReal = createRealDirectories(root, (path, { mode }) => {
    directories.push(path)
    directoryModes.push(mode & 0o777)
  })
  const modes = new Uint16Array(stats.length / statColumns).fill(unverified)
  for (let index = 0, start = 0; index < modes.length; index++) {
    const end = text.indexOf('\n', start)
    const at = index * statColumns
    if (!Number.isNaN(stats[at])) {
      // `f MODE SIZE SHA256 PATH`, as core/manifest.ts writes it.
      const path = text.slice(text.indexOf(' ', start + 6) + 66, end)
      // A file that is seen through a link is not in DEST.
      const found = isReal(parentOf(path)) ? lookAt(`${root}/${path}`) : undefined
      const isSame =
        found?.isFile() === true &&
        found.size === stats[at] &&
        found.mtimeMs === stats[at + 1] &&
        found.ctimeMs === stats[at + 2] &&
        found.ino === stats[at + 3]
      if (isSame) modes[index] = found.mode & 0o777
    }
    start = end + 1
  }
  return {
    modes,
    directories: directories.join('\n'),
    directoryModes: Uint16Array.from(directoryModes),
  }
}
