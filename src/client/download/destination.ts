/** The state of a download's directory before the download changes anything. Nothing outside it
 *  is examined: symlinks to directories are not followed. */
import { type Dirent, lstatSync, readdirSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { becameAnother, FileError } from '../files/file-error.ts'
import type { FetchedTree } from './tree-columns.ts'
import { partialName, workName } from './partial-owner.ts'
import { createSpeller, createSpellingCheck } from './spelling.ts'
import { parentOf } from '../../core/manifest/entry.ts'
import { createRealDirectories, tryLstat } from '../files/real-directories.ts'
import { entryAt } from '../files/system.ts'
import { childOf, makeWritable, pathsInBytes, removeWhole } from '../files/writable.ts'
import { makeDirectories } from '../../make-directories.ts'

/** What is at the path of an entry. */
export const place = { absent: 0, same: 1, other: 2 } as const

export interface Destination {
  readonly root: string
  /** Where the download creates files. */
  readonly workRoot: string
  /** For each entry what DEST has at its path: nothing, the same kind, or another kind. */
  readonly places: Uint8Array
  /** Paths in DEST that are not in the tree, or that are directories only in DEST; for a
   *  directory, nothing below it is listed. Empty after `recallDestination`. */
  readonly extras: readonly string[]
  /** Directories that only entries below them imply, and at whose path DEST has something else. */
  readonly blocked: ReadonlySet<string>
  /** Whether DEST has a directory at that path (`''` is DEST). */
  hasDirectory(path: string): boolean
}

/** Creates DEST if it is missing. Errors: FileError. */
export function makeDestination(path: string): void {
  try {
    makeDirectories(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const isInTheWay = code === 'EEXIST' || code === 'ENOTDIR'
    const reason = isInTheWay ? 'is not a directory' : `cannot be created: ${message}`
    throw new FileError(path, reason, { cause: error })
  }
}

/** Examines DEST; a missing one counts as empty. `wanted` are ordinals of entries, ascending. */
export function examineDestination(
  root: string,
  tree: FetchedTree,
  wanted: readonly number[],
): Destination {
  const places = new Uint8Array(tree.count)
  const directories = new Set<string>()
  const blocked = new Set<string>()
  const extras: string[] = []
  /** Walks DEST together with the tree: the entries below a directory are consecutive, since the
   *  order of a tree is that of paths whose directories end in a slash. */
  const enter = (path: string, first: number, end: number): void => {
    directories.add(path)
    const directory = path === '' ? root : join(root, path)
    const entries = readDirectory(directory)
    if (entries.length === 0) return
    const known = childrenOf(tree, wanted, { path, first, end })
    const spelled = createSpeller(directory, entries, known)
    for (const entry of entries) {
      if (path === '' && entry.name === partialName) continue
      const name = known.has(entry.name) ? entry.name : spelled(entry.name)
      const below = path === '' ? name : `${path}/${name}`
      const child = known.get(name)
      if (child === undefined) {
        extras.push(below)
        continue
      }
      const { ordinal } = child
      const own = entryAt(`${directory}/${entry.name}`, entry)
      const isSame = ordinal === null ? own.isDirectory() : kindOf(own) === tree.kind(ordinal)
      if (ordinal !== null) places[ordinal] = isSame ? place.same : place.other
      else if (!isSame) blocked.add(below)
      if (isSame && own.isDirectory()) enter(below, child.first, child.end)
      else if (own.isDirectory()) extras.push(below)
    }
  }
  enter('', 0, wanted.length)
  return {
    root,
    workRoot: join(root, partialName, workName),
    places,
    extras,
    blocked,
    hasDirectory: (path) => directories.has(path),
  }
}

/** Like `examineDestination`, when the cache vouches for most files: only the others (`unknown`)
 *  are examined, one by one. That is cheap when they are few, and costs as much as the walk when
 *  they are a tenth of all. Returns undefined where only the walk can decide. */
export function recallDestination(
  root: string,
  tree: FetchedTree,
  unknown: readonly number[],
): Destination | undefined {
  const places = new Uint8Array(tree.count).fill(place.same)
  const isReal = createRealDirectories(root)
  const isSpelled = createSpellingCheck(root, readDirectory)
  for (const ordinal of unknown) {
    const found = comparePlace(root, tree, ordinal, { isReal, isSpelled })
    if (found === undefined) return undefined
    places[ordinal] = found
  }
  return {
    root,
    workRoot: join(root, partialName, workName),
    places,
    extras: [],
    blocked: new Set(),
    hasDirectory: isReal,
  }
}

/** Returns undefined when something is in the way of a directory on the path, or when DEST spells
 *  the path in another way: it may be that of another entry. */
function comparePlace(
  root: string,
  tree: FetchedTree,
  ordinal: number,
  { isReal, isSpelled }: Record<'isReal' | 'isSpelled', (path: string) => boolean>,
): number | undefined {
  const path = tree.path(ordinal)
  const parent = parentOf(path)
  let real = parent
  for (; !isReal(real); real = parentOf(real))
    if (tryLstat(join(root, real)) !== undefined) return undefined
  if (!isSpelled(real)) return undefined
  const found = real === parent ? tryLstat(join(root, path)) : undefined
  if (found === undefined) return place.absent
  if (!isSpelled(path)) return undefined
  return kindOf(found) === tree.kind(ordinal) ? place.same : place.other
}

/** Errors: FileError. */
function readDirectory(path: string): Dirent[] {
  return listing(path, () => readdirSync(path, { withFileTypes: true }))
}

/** Runs `list`, which lists the directory at `path`; a missing one is empty. Errors: FileError in
 *  place of system errors. */
function listing<T>(path: string, list: () => T[]): T[] {
  try {
    return list()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    const reason = code === 'ENOTDIR' ? 'is not a directory' : `cannot be read: ${message}`
    throw new FileError(path, reason, { cause: error })
  }
}

/** A child of a directory: its entry, null for a directory that only entries below it imply; and
 *  the range of `wanted` that lies below it. */
interface Child {
  ordinal: number | null
  first: number
  end: number
}

function childrenOf(
  tree: FetchedTree,
  wanted: readonly number[],
  { path, first, end }: { path: string; first: number; end: number },
): Map<string, Child> {
  const children = new Map<string, Child>()
  const start = path === '' ? 0 : path.length + 1
  for (let at = first; at < end; at++) {
    const ordinal = wanted[at]!
    const own = tree.path(ordinal)
    const slash = own.indexOf('/', start)
    const name = own.slice(start, slash === -1 ? undefined : slash)
    const child = children.get(name)
    if (slash === -1) children.set(name, { ordinal, first: at, end: at })
    else if (child === undefined) children.set(name, { ordinal: null, first: at, end: at + 1 })
    else if (child.first === child.end) Object.assign(child, { first: at, end: at + 1 })
    else child.end = at + 1
  }
  return children
}

export function kindOf(entry: Dirent | Stats): string {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}

/** Without permission to delete, a non-empty directory is not replaced by a file. Errors:
 *  FileError, when one would be. */
export function refuseReplacing(
  { root, places }: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
): void {
  for (const ordinal of wanted) {
    if (places[ordinal] !== place.other) continue
    const path = join(root, tree.path(ordinal))
    if (tryLstat(path)?.isDirectory() === true) refuseFull(path)
  }
}

/** Errors: FileError. */
export function refuseFull(directory: string): void {
  if (readDirectory(directory).length === 0) return
  const reason = 'is a directory where the artifact has a file (use --delete to replace it)'
  throw new FileError(directory, reason)
}

/** Directories of DEST in which entries are created or removed. */
export interface OpenedDirectories {
  /** Directories opened so far; their modes may have been changed. */
  readonly paths: ReadonlySet<string>
  /** Makes a directory writable for its owner. Errors: FileError. */
  open(path: string): void
}

/** Checks each directory again, since fetching can take long: one that has become a symlink
 *  would lead out of DEST. */
export function createOpenedDirectories(root: string): OpenedDirectories {
  const paths = new Set<string>()
  const isReal = createRealDirectories(root)
  return {
    paths,
    open: (path) => {
      if (paths.has(path)) return
      const directory = join(root, path)
      if (!isReal(path)) throw becameAnother(directory, 'directory')
      makeWritable(directory)
      paths.add(path)
    },
  }
}

/** Rejects a deletion that would remove a Git repository, at whatever depth. Uploads leave out
 *  `.git` by default, so the artifact of a checkout lacks it, and unpushed work would be lost. Or
 *  one that would remove a mount point, which fails, but only after other things have been removed.
 *  Errors: FileError, also for a directory that cannot be searched. */
export function refuseRemoving({ root, extras }: Destination): void {
  for (const extra of extras) {
    const { dev } = statSync(join(root, parentOf(extra)))
    for (const path of pathsInBytes(join(root, extra))) refuseBelow(Buffer.from(path), dev)
  }
}

/** `device` is that of the directory which holds the path. */
function refuseBelow(path: Buffer, device: number): void {
  if (path.subarray(-5).toString() === '/.git') throw irremovable(path, 'Git repository', 'remove')
  const [held] = listing(path.toString(), () => [lstatSync(path)])
  if (held?.isDirectory() !== true) return
  if (held.dev !== device) throw irremovable(path, 'mount point', 'unmount')
  for (const name of listing(path.toString(), () => readdirSync(path, 'buffer')))
    refuseBelow(childOf(path, name), device)
}

function irremovable(path: Buffer, kind: string, remedy: string): FileError {
  const reason = `is a ${kind}, which --delete would remove: ${remedy} it first, or download to another directory`
  return new FileError(path.toString(), reason)
}

/** Removes what the tree does not have. Returns the number of paths, a directory counting as
 *  one. Errors: FileError. */
export function removeExtras(
  { root, extras }: Destination,
  directories: OpenedDirectories,
): number {
  for (const path of new Set(extras)) {
    directories.open(parentOf(path))
    for (const own of pathsInBytes(join(root, path))) removeWhole(own)
  }
  return extras.length
}
