/** Rejects entries whose names cannot exist in the destination of a download. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { unsafePath, parentOf } from '../../core/manifest/entry.ts'
import { isWindows } from '../files/system.ts'
import { partialName } from './partial-owner.ts'
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

/** The directory that downloads work in cannot be an entry. */
function refusePartialName(tree: FetchedTree, wanted: readonly number[]): void {
  for (const start of [partialName, `${partialName}/`]) {
    const ordinal = wanted[firstFrom(tree, start, wanted)]
    const path = ordinal === undefined ? undefined : tree.path(ordinal)
    if (path !== partialName && path?.startsWith(`${partialName}/`) !== true) continue
    throw unsafePath(path, `downloads use ${partialName} for incomplete files`)
  }
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for.
const badOnWindows = /[<>:"\\|?*\u0001-\u001f]/
const endsBadly = /[. ](?:\/|$)/
const device =
  /(?:^|\/)(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\.[^/]*)?(?:\/|$)/i

/** Returns why Windows cannot have a path, or undefined if it can. A backslash would lead out of
 *  DEST, a colon to a drive or to an alternate stream of a file. Microsoft Learn, "Naming Files,
 *  Paths, and Namespaces". */
export function whyNotOnWindows(path: string): string | undefined {
  const bad = badOnWindows.exec(path)?.[0]
  if (bad !== undefined) return `Windows does not allow ${JSON.stringify(bad)} in names`
  if (endsBadly.test(path)) return 'Windows does not allow names that end in a dot or a space'
  if (device.test(path)) return 'it is the name of a Windows device'
  return undefined
}

/** Rejects two names that are the same on a file system that ignores case: one file would get
 *  the content of the other, and files of one directory would look like extra files of the
 *  other. The check looks for the partial root in another case. Errors: unsafe_path. */
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
      // This directory and all above it have been checked.
      if (other === path) break
      if (other !== undefined)
        throw unsafePath(
          path,
          `the file system of DEST cannot distinguish it from ${spelled(other, path)}`,
        )
      spellings.set(foldName(path), path)
    }
  }
}

/** Quotes a name; escapes what looks the same in `twin`. */
function spelled(name: string, twin: string): string {
  const quoted = JSON.stringify(name)
  if (name.normalize('NFC') !== twin.normalize('NFC')) return quoted
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return quoted.replaceAll(/[^\x20-\x7e]/g, escape)
}

/** File systems that ignore case also treat composed and decomposed characters as the same. */
export function foldName(path: string): string {
  return path.normalize('NFC').toLowerCase()
}
