/** Names of uploaded files: the path rules of actions/upload-artifact v7.
 *
 *  1. Several search paths: the root is their least common ancestor. Excludes do not count.
 *  2. One search path that is itself the only file found: the root is the file's directory.
 *  3. One search path otherwise: it is the root. It ends before the first wildcard. */
import { dirname, normalize, sep } from 'node:path'
import { leastCommonAncestor } from '../../client/files/paths.ts'
import type { UploadFile } from '../artifacts.ts'
import type { SearchResult } from '../glob/glob.ts'

/** Returns the directory that entry paths are relative to. */
function uploadRoot(search: SearchResult): string {
  const [first, ...others] = search.searchPaths
  if (first === undefined) throw new Error('no path to search was given')
  if (others.length > 0) return leastCommonAncestor(search.searchPaths.map(normalize))
  return search.files.length === 1 && search.files[0] === first ? dirname(first) : first
}

/** Returns the files with their paths relative to the root. Throws an Error that names a path which
 *  GitHub's action rejects. */
export function uploadFiles(search: SearchResult): UploadFile[] {
  if (search.files.length === 0) return []
  const root = uploadRoot(search)
  const prefix = root.endsWith(sep) ? root : root + sep
  return search.files.map((absolutePath) => {
    if (!absolutePath.startsWith(prefix)) throw new Error(`${absolutePath} is not below ${root}`)
    const entryPath = absolutePath.slice(prefix.length).replaceAll(sep, '/')
    const fault = pathFault(entryPath)
    if (fault !== undefined)
      throw new Error(`Cannot upload the path ${JSON.stringify(entryPath)}: it contains ${fault}`)
    return { absolutePath, entryPath }
  })
}

/** GITHUB-PROTOCOL §7: the stock client rejects these in paths, since not every file system allows
 *  them. */
const refused: Record<string, string> = {
  '"': 'a double quote',
  ':': 'a colon',
  '<': 'a less-than sign',
  '>': 'a greater-than sign',
  '|': 'a vertical bar',
  '*': 'an asterisk',
  '?': 'a question mark',
  '\r': 'a carriage return',
  '\n': 'a line feed',
}

function pathFault(path: string): string | undefined {
  const found = /["<>|*?:\r\n]/.exec(path)
  return found === null ? undefined : refused[found[0]]
}
