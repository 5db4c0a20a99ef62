/** Names of an artifact's entries that cannot be brought to where a download goes. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { unsafePath } from '../../core/entry.ts'
import { parentOf } from '../files/real-directories.ts'
import { isWindows } from '../files/system.ts'
import { partialName } from '../partial-name.ts'
import { type FetchedTree, firstFrom } from './tree-columns.ts'

/** Errors: unsafe_path. `wanted` are ordinals of entries, ascending. */
export function refuseNames(tree: FetchedTree, wanted: readonly number[]): void {
  refusePartialName(tree, wanted)
  if (!isWindows) return
  for (const ordinal of wanted) {
    const path = tree.path(ordinal)
    const reason = whyNotOnWindows(path)
    if (reason !== undefined) throw unsafePath(path, reason)
  }
}

/** Nothing can be brought to where downloads do their work. */
function refusePartialName(tree: FetchedTree, wanted: readonly number[]): void {
  for (const start of [partialName, `${partialName}/`]) {
    const ordinal = wanted[firstFrom(tree, start, wanted)]
    const path = ordinal === undefined ? undefined : tree.path(ordinal)
    if (path !== partialName && path?.startsWith(`${partialName}/`) !== true) continue
    throw unsafePath(path, `downloads keep what is not whole yet in ${partialName}`)
  }
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for.
const badOnWindows = /[<>:"\\|?*\u0001-\u001f]/
const endsBadly = /[. ](?:\/|$)/
const device =
  /(?:^|\/)(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.[^/]*)?(?:\/|$)/i

/** Undefined: Windows has nothing against it. A backslash would lead out of DEST, a colon to a drive or into another stream of a
 *  file. Microsoft Learn, "Naming Files, Paths, and Namespaces". */
export function whyNotOnWindows(path: string): string | undefined {
  const bad = badOnWindows.exec(path)?.[0]
  if (bad !== undefined) return `Windows has no names with ${JSON.stringify(bad)}`
  if (endsBadly.test(path)) return 'Windows has no names that end in a dot or a blank'
  if (device.test(path)) return 'it has the name of a device of Windows'
  return undefined
}

/** Two names may not be one in DEST, where a file system takes capital and small letters for the same: a file would get the
 *  content of the other, and what lies in a directory would be taken for what the other does not have. It is found out by
 *  the directory that a download works in. Errors: unsafe_path. */
export function refuseAlike(
  destination: string,
  tree: FetchedTree,
  wanted: readonly number[],
): void {
  const twin = join(destination, partialName.toUpperCase())
  if (lstatSync(twin, { throwIfNoEntry: false }) === undefined) return
  const spellings = new Map<string, string>()
  for (const ordinal of wanted) {
    for (let path = tree.path(ordinal); path !== ''; path = parentOf(path)) {
      const other = spellings.get(foldName(path))
      // Seen, with all that lies above it.
      if (other === path) break
      if (other !== undefined)
        throw unsafePath(
          path,
          `the file system of DEST does not tell it from ${JSON.stringify(other)}`,
        )
      spellings.set(foldName(path), path)
    }
  }
}

/** File systems that fold letters take composed and decomposed ones for the same, too. */
export function foldName(path: string): string {
  return path.normalize('NFC').toLowerCase()
}
