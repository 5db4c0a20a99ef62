/** The directory that a download goes to: what is there, where new things are made, how they come into their place.
 *
 *  New files are made whole below `DEST/.trove-partial`, in a tree of their own, and then moved: a directory that DEST
 *  lacks by one rename, a file of a directory that it has by a rename of its own. So no torn file ever has its final name,
 *  and a first download costs as many renames as DEST gets new top directories. Nothing outside of DEST is touched:
 *  directories are entered only when they are no links, and links in the way are removed, not followed. */
import {
  chmodSync,
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { defaultDirectoryMode } from '../core/entry.ts'
import { FileError } from './file-error.ts'
import type { FetchedTree } from './fetched-tree.ts'

const partialName = '.trove-partial'

/** What is at an entry's place. */
export const place = { absent: 0, same: 1, other: 2 } as const

export interface Destination {
  readonly root: string
  readonly partialRoot: string
  /** What DEST has at each entry: nothing, something of the same kind, something else. */
  readonly places: Uint8Array
  /** Paths in DEST, directories included, that the tree does not have; nothing below another. */
  readonly strangers: readonly string[]
  /** Whether DEST has the directory of that path (`''` is DEST). */
  hasDirectory(path: string): boolean
}

/** Looks at DEST; one that is missing is empty. `wanted` are ordinals of entries, ascending. */
export function examineDestination(
  root: string,
  tree: FetchedTree,
  wanted: readonly number[],
): Destination {
  const places = new Uint8Array(tree.count)
  const directories = new Set<string>()
  const strangers: string[] = []
  lookAt(root, tree, wanted, { places, directories, strangers })
  return {
    root,
    partialRoot: join(root, partialName),
    places,
    strangers,
    hasDirectory: (path) => directories.has(path),
  }
}

/** Goes down into DEST, with the part of the tree that lies below each directory: its entries stand in a row, since the
 *  order of a tree is that of paths whose directories end in a slash. */
function lookAt(
  root: string,
  tree: FetchedTree,
  wanted: readonly number[],
  {
    places,
    directories,
    strangers,
  }: { places: Uint8Array; directories: Set<string>; strangers: string[] },
): void {
  const enter = (path: string, first: number, end: number): void => {
    directories.add(path)
    const entries = readDirectory(path === '' ? root : join(root, path))
    if (entries.length === 0) return
    const known = childrenOf(tree, wanted, { path, first, end })
    for (const entry of entries) {
      if (path === '' && entry.name === partialName) continue
      const below = path === '' ? entry.name : `${path}/${entry.name}`
      const child = known.get(entry.name)
      if (child === undefined) {
        strangers.push(below)
        continue
      }
      const { ordinal } = child
      const isSame = ordinal === null ? entry.isDirectory() : kindOf(entry) === tree.kind(ordinal)
      if (ordinal !== null) places[ordinal] = isSame ? place.same : place.other
      if (isSame && entry.isDirectory()) enter(below, child.first, child.end)
    }
  }
  enter('', 0, wanted.length)
}

/** Errors: FileError. */
function readDirectory(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    const reason = code === 'ENOTDIR' ? 'is no directory' : `cannot be read: ${message}`
    throw new FileError(path, reason, { cause: error })
  }
}

/** A child of a directory: its entry, null for a directory that only paths below it tell of; and where in `wanted` what
 *  lies below it stands. */
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
    const own = tree.paths[ordinal]!
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

function splitPath(path: string): { parent: string; name: string } {
  const slash = path.lastIndexOf('/')
  return { parent: slash === -1 ? '' : path.slice(0, slash), name: path.slice(slash + 1) }
}

function kindOf(entry: Dirent): string {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}

/** Makes links and directories of the tree below the partial root; those that DEST has already are left out. */
export function prepareLeaves(
  destination: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
): void {
  for (const ordinal of wanted) {
    const path = tree.paths[ordinal]!
    const kind = tree.kind(ordinal)
    if (kind === 'file' || destination.hasDirectory(path)) continue
    const partial = join(destination.partialRoot, path)
    if (kind === 'directory') {
      mkdirSync(partial, { recursive: true })
    } else if (
      destination.places[ordinal] !== place.same ||
      !isLinkTo(join(destination.root, path), tree.linkTarget(ordinal))
    ) {
      mkdirSync(dirname(partial), { recursive: true })
      rmSync(partial, { force: true })
      symlinkSync(tree.linkTarget(ordinal), partial)
    }
  }
}

function isLinkTo(path: string, target: string): boolean {
  return readlinkSync(path) === target
}

/** Leaves of an earlier download only plain files that may serve again; answers the ordinals of those. */
export function tidyPartial(
  { partialRoot }: Destination,
  tree: FetchedTree,
  missing: readonly number[],
): number[] {
  const held = lstatSync(partialRoot, { throwIfNoEntry: false })
  if (held === undefined) return []
  if (!held.isDirectory()) {
    unlinkSync(partialRoot)
    return []
  }
  const byPath = new Map(missing.map((ordinal) => [tree.paths[ordinal]!, ordinal]))
  const found: number[] = []
  const enter = (directory: string): void => {
    for (const entry of readdirSync(join(partialRoot, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      const ordinal = byPath.get(path)
      if (entry.isDirectory() && ordinal === undefined) enter(path)
      else if (entry.isFile() && ordinal !== undefined) found.push(ordinal)
      else rmSync(join(partialRoot, path), { recursive: true, force: true })
    }
  }
  enter('')
  return found.toSorted((a, b) => a - b)
}

/** Moves everything below the partial root to its place in DEST, then takes the partial root away. Answers the paths that
 *  were moved on their own, because a rename changes what the stat cache knows of them. */
export function moveIntoPlace(
  destination: Destination,
  tree: FetchedTree,
  { wanted, mayDelete }: { wanted: readonly number[]; mayDelete: boolean },
): string[] {
  const moved: string[] = []
  const merge = (directory: string): void => {
    const partial = join(destination.partialRoot, directory)
    makeWritable(join(destination.root, directory))
    for (const entry of readdirSync(partial, { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      const target = join(destination.root, path)
      if (entry.isDirectory() && destination.hasDirectory(path)) {
        merge(path)
        continue
      }
      clearWay(target, entry, mayDelete)
      renameSync(join(partial, entry.name), target)
      if (!entry.isDirectory()) moved.push(path)
    }
    rmdirSync(partial)
  }
  if (lstatSync(destination.partialRoot, { throwIfNoEntry: false }) !== undefined) merge('')
  setDirectoryModes(destination, tree, wanted)
  return moved
}

/** Takes away what a rename would not replace. */
function clearWay(target: string, entry: Dirent, mayDelete: boolean): void {
  const held = lstatSync(target, { throwIfNoEntry: false })
  if (held === undefined) return
  if (!held.isDirectory()) {
    if (entry.isDirectory()) unlinkSync(target)
    return
  }
  if (!mayDelete && readdirSync(target).length > 0) {
    throw new FileError(
      target,
      'is a directory where the artifact has a file; only --delete replaces it',
    )
  }
  rmSync(target, { recursive: true, force: true })
}

function makeWritable(directory: string): void {
  const { mode } = lstatSync(directory)
  if ((mode & 0o700) !== 0o700) chmodSync(directory, (mode & 0o777) | 0o700)
}

/** Deepest first, because a directory may forbid entering it. Directories that only paths tell of have the usual mode. */
function setDirectoryModes(
  destination: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
): void {
  const modes = new Map<string, number>()
  for (const ordinal of wanted) {
    const path = tree.paths[ordinal]!
    if (tree.kind(ordinal) === 'directory') modes.set(path, tree.mode(ordinal))
    for (
      let { parent } = splitPath(path);
      parent !== '' && !modes.has(parent);
      { parent } = splitPath(parent)
    ) {
      modes.set(parent, defaultDirectoryMode)
    }
  }
  for (const [path, mode] of [...modes].toSorted(([a], [b]) => b.length - a.length)) {
    const directory = join(destination.root, path)
    if ((lstatSync(directory).mode & 0o777) !== mode) chmodSync(directory, mode)
  }
}

/** Removes what the tree does not have. Answers how many paths, directories counted once. */
export function removeStrangers(destination: Destination): number {
  for (const path of destination.strangers) {
    const target = join(destination.root, path)
    try {
      rmSync(target, { recursive: true, force: true })
    } catch (error) {
      throw new FileError(target, 'cannot be removed', { cause: error })
    }
  }
  return destination.strangers.length
}
