/** What lies below a root without passing through a link. */
import { lstatSync, type Stats } from 'node:fs'

/** Answers a function that says so of paths below `root` (`''` is the root itself, which may be a link). What it has seen
 *  it does not look at again; `onReal` is told of each directory once, but for the root. */
export function createRealDirectories(
  root: string,
  onReal: (path: string, stats: Stats) => void = () => {},
): (path: string) => boolean {
  const seen = new Map<string, boolean>([['', true]])
  const isReal = (path: string): boolean => {
    const known = seen.get(path)
    if (known !== undefined) return known
    const parent = parentOf(path)
    const found = isReal(parent) ? lookAt(`${root}/${path}`) : undefined
    const isDirectory = found?.isDirectory() === true
    if (isDirectory) onReal(path, found)
    seen.set(path, isDirectory)
    return isDirectory
  }
  return isReal
}

/** `''` of a path that lies in the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** What is at a path, links not followed; undefined when it cannot be known either, as in a directory that may not be
 *  entered. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
