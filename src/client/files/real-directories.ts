/** Finds which directories below a root are reached without passing through a symlink. */
import { lstatSync, type Stats } from 'node:fs'
import { parentOf } from '../../core/manifest/entry.ts'

/** Returns a predicate for paths below `root` (`''` is the root itself, which may be a symlink).
 *  Results are cached. `onReal` is called once for each directory except the root. */
export function createRealDirectories(
  root: string,
  onReal: (path: string, stats: Stats) => void = () => {},
): (path: string) => boolean {
  const seen = new Map<string, boolean>([['', true]])
  const isReal = (path: string): boolean => {
    const known = seen.get(path)
    if (known !== undefined) return known
    const parent = parentOf(path)
    const found = isReal(parent) ? tryLstat(`${root}/${path}`) : undefined
    const isDirectory = found?.isDirectory() === true
    if (isDirectory) onReal(path, found)
    seen.set(path, isDirectory)
    return isDirectory
  }
  return isReal
}

/** lstat that returns undefined when the path does not exist or cannot be examined, as in a
 *  directory without search permission. */
export function tryLstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
