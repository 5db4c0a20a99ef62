/** The directory that a download goes to: what is there before anything is done to it. Nothing outside of it is looked at:
 *  directories are entered only when they are no links. */
import { type Dirent, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { FileError } from '../files/file-error.ts'
import type { FetchedTree } from './tree-columns.ts'
import { partialName } from '../partial-name.ts'
import { foldName } from './refused-names.ts'
import { createRealDirectories, lookAt, parentOf } from '../files/real-directories.ts'
import { entryAt } from '../files/system.ts'
import { makeWritable, removeWhole } from '../files/writable.ts'

/** What is at an entry's place. */
export const place = { absent: 0, same: 1, other: 2 } as const

export interface Destination {
  readonly root: string
  readonly partialRoot: string
  /** What DEST has at each entry: nothing, something of the same kind, something else. */
  readonly places: Uint8Array
  /** Paths in DEST, directories included, that the tree does not have, or not as directories; nothing below another. None
   *  are known of a DEST that was recalled. */
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
  walk(root, tree, wanted, { places, directories, strangers })
  return {
    root,
    partialRoot: join(root, partialName),
    places,
    strangers,
    hasDirectory: (path) => directories.has(path),
  }
}

/** The same where most files are known to be there: only the others (`unknown`) are looked at, one by one, which is cheap
 *  when they are few, and costs as much as the walk when a tenth are. */
export function recallDestination(
  root: string,
  tree: FetchedTree,
  unknown: readonly number[],
): Destination {
  const places = new Uint8Array(tree.count).fill(place.same)
  const isReal = createRealDirectories(root)
  for (const ordinal of unknown) places[ordinal] = lookAtPlace(root, tree, ordinal, isReal)
  return {
    root,
    partialRoot: join(root, partialName),
    places,
    strangers: [],
    hasDirectory: isReal,
  }
}

function lookAtPlace(
  root: string,
  tree: FetchedTree,
  ordinal: number,
  isReal: (path: string) => boolean,
): number {
  const path = tree.path(ordinal)
  const found = isReal(parentOf(path)) ? lookAt(join(root, path)) : undefined
  if (found === undefined) return place.absent
  return kindOf(found) === tree.kind(ordinal) ? place.same : place.other
}

/** Goes down into DEST, with the part of the tree that lies below each directory: its entries stand in a row, since the
 *  order of a tree is that of paths whose directories end in a slash. */
function walk(
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
        strangers.push(below)
        continue
      }
      const { ordinal } = child
      const own = entryAt(`${directory}/${entry.name}`, entry)
      const isSame = ordinal === null ? own.isDirectory() : kindOf(own) === tree.kind(ordinal)
      if (ordinal !== null) places[ordinal] = isSame ? place.same : place.other
      if (isSame && own.isDirectory()) enter(below, child.first, child.end)
      else if (own.isDirectory()) strangers.push(below)
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
    const reason = code === 'ENOTDIR' ? 'is not a directory' : `cannot be read: ${message}`
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

/** Answers how the tree spells a name of DEST that it does not have, where a file system takes some letters for the same: by
 *  the tree's spelling it is there as well, and nothing else is. Any other name is answered as it is. */
function createSpeller(
  directory: string,
  entries: readonly Dirent[],
  known: ReadonlyMap<string, Child>,
): (name: string) => string {
  let spellings: Map<string, string> | undefined
  return (name) => {
    spellings ??= new Map([...known.keys()].map((own) => [foldName(own), own]))
    const own = spellings.get(foldName(name))
    if (own === undefined || entries.some((entry) => entry.name === own)) return name
    return lookAt(join(directory, own)) === undefined ? name : own
  }
}

export function kindOf(entry: Dirent | Stats): string {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}

/** Without leave to delete, no directory with something in it gives way to a file. Errors: FileError, when one would. */
export function refuseReplacing(
  { root, places }: Destination,
  tree: FetchedTree,
  wanted: readonly number[],
): void {
  for (const ordinal of wanted) {
    if (places[ordinal] !== place.other) continue
    const path = join(root, tree.path(ordinal))
    if (lookAt(path)?.isDirectory() === true) refuseFull(path)
  }
}

/** Errors: FileError. */
export function refuseFull(directory: string): void {
  if (readDirectory(directory).length === 0) return
  const reason = 'is a directory where the artifact has a file; only --delete replaces it'
  throw new FileError(directory, reason)
}

/** Directories of DEST in which something is put or taken away. */
export interface OpenedDirectories {
  /** Their modes may have been changed for that. */
  readonly paths: ReadonlySet<string>
  /** Lets their owner write into one. Errors: FileError. */
  open(path: string): void
}

/** A fetch may have taken long since DEST was looked at: what has become a link meanwhile leads out of it. */
export function createOpenedDirectories(root: string): OpenedDirectories {
  const paths = new Set<string>()
  const isReal = createRealDirectories(root)
  return {
    paths,
    open: (path) => {
      if (paths.has(path)) return
      const directory = join(root, path)
      if (!isReal(path))
        throw new FileError(directory, 'was a directory, until another program changed it')
      makeWritable(directory)
      paths.add(path)
    },
  }
}

/** Removes what the tree does not have. Answers how many paths, directories counted once. Errors: FileError. */
export function removeStrangers(
  { root, strangers }: Destination,
  directories: OpenedDirectories,
): number {
  for (const path of strangers) {
    directories.open(parentOf(path))
    removeWhole(join(root, path))
  }
  return strangers.length
}
