/** Where a download creates what DEST lacks, and how that is moved into place.
 *
 *  New files are completed in a work directory below `DEST/.trove-partial` (partial-owner.ts) and
 *  then moved, so a torn file never has its final name. Entries of directories that DEST lacks are
 *  created as a tree (`tree/`), of which a whole directory moves with one rename; a first download
 *  takes as many renames as DEST gets new top-level directories. A file of a directory that DEST
 *  has is created as `files/FOLDER/ORDINAL` and moved by itself: recreating its directories for one
 *  file each would cost more than the files (900 files of 800 directories: 0.4 s). Below a mount
 *  point files are copied, and renamed there. Nothing outside DEST is touched: symlinks in the way
 *  are removed, not followed. */
import { parentOf } from '../../core/manifest/entry.ts'
import {
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { slicesOf } from '../../core/slices.ts'
import { type Destination, type OpenedDirectories, place, refuseFull } from './destination.ts'
import { type FetchedTree, firstFrom } from './tree-columns.ts'
import { asWriteError, SymlinkError } from '../files/file-error.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { MoveTask } from '../files/file-tasks.ts'
import { isRenamed, isThere, occupied } from '../files/move-files.ts'
import { withSlashes } from '../files/paths.ts'
import { makeDirectories } from '../../make-directories.ts'
import { removeWhole } from '../files/writable.ts'

const filesName = 'files'
/** Two threads that create files in one directory wait for each other, on some file systems for
 *  long. Files of one thread have consecutive numbers, so consecutive numbers go to different
 *  folders (ext4, 1,000 files beside 100,000 just removed: 0.2 s less). */
const filesFolders = 16
const treeName = 'tree'

/** Where a file is created. */
export function partialPath(
  { workRoot, hasDirectory }: Destination,
  tree: FetchedTree,
  ordinal: number,
): string {
  const path = tree.path(ordinal)
  return hasDirectory(parentOf(path))
    ? `${workRoot}/${filesName}/${ordinal % filesFolders}/${ordinal}`
    : `${workRoot}/${treeName}/${path}`
}

/** Creates symlinks and directories of the tree (`others` are the entries that are no files),
 *  except those that DEST has. */
export function prepareLeaves(
  destination: Destination,
  tree: FetchedTree,
  others: readonly number[],
): void {
  for (const ordinal of others) {
    const kind = tree.kind(ordinal)
    const path = tree.path(ordinal)
    if (kind === 'directory' && destination.hasDirectory(path)) continue
    const partial = join(destination.workRoot, treeName, path)
    if (kind === 'directory') {
      makeDirectories(partial)
    } else if (
      destination.places[ordinal] !== place.same ||
      !isLinkTo(join(destination.root, path), tree.linkTarget(ordinal))
    ) {
      makeDirectories(dirname(partial))
      createSymlink(tree.linkTarget(ordinal), partial, join(destination.root, path))
    }
  }
}

/** `final` is the path that errors name. Errors: FileError, SymlinkError. */
function createSymlink(target: string, path: string, final: string): void {
  try {
    symlinkSync(target, path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw refusedCodes.has(code) ? new SymlinkError(final, error) : asWriteError(final, error)
  }
}

/** FAT and exFAT on Linux answer EPERM, as Windows does to users without the right to create
 *  symlinks; network and FUSE file systems answer any of these. */
const refusedCodes = new Set(['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'])

function isLinkTo(path: string, target: string): boolean {
  return withSlashes(readlinkSync(path)) === target
}

/** Keeps of an earlier download only regular files that are still wanted, and directories that
 *  will hold some, because everything that is there at the end is moved. Returns the ordinals of
 *  the files. */
export function tidyPartial(
  destination: Destination,
  tree: FetchedTree,
  missing: readonly number[],
): number[] {
  const { workRoot } = destination
  const held = lstatSync(workRoot, { throwIfNoEntry: false })
  if (held === undefined) return []
  if (!held.isDirectory()) {
    unlinkSync(workRoot)
    return []
  }
  const expected = new Map<string, number>()
  const parents = new Set<string>()
  for (const ordinal of missing) {
    const path = partialPath(destination, tree, ordinal)
    expected.set(path, ordinal)
    let parent = dirname(path)
    for (; parent !== workRoot && !parents.has(parent); parent = dirname(parent))
      parents.add(parent)
  }
  const found: number[] = []
  const enter = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = `${directory}/${entry.name}`
      const ordinal = expected.get(path)
      if (entry.isDirectory() && parents.has(path)) enter(path)
      else if (entry.isFile() && ordinal !== undefined) found.push(ordinal)
      else rmSync(path, { recursive: true, force: true })
    }
  }
  enter(workRoot)
  return found.toSorted((a, b) => a - b)
}

/** Moves everything below the work directory to its place in DEST. Returns the files (and
 *  symlinks) that were moved one by one, because a rename changes their ctime. */
export async function moveIntoPlace(
  pool: FilePool,
  destination: Destination,
  tree: FetchedTree,
  permitted: Omit<Moving, 'moved'>,
): Promise<number[]> {
  const moving: Moving = { ...permitted, moved: [] }
  if (isThere(destination.workRoot)) {
    await moveSingleFiles(pool, destination, tree, moving)
    await moveTree(pool, destination, tree, moving)
  }
  return moving.moved
}

interface Moving {
  mayDelete: boolean
  /** Entries that were moved one by one. */
  moved: number[]
  directories: OpenedDirectories
}

const movesPerTask = 128

/** Moves in a worker thread, so that the main thread can show progress and be interrupted: a
 *  file system that flushes a file when it replaces another one needs 0.1 ms for each. Tasks run
 *  one after the other, since Linux allows only one move between directories at a time
 *  (Documentation/filesystems/directory-locking.rst: s_vfs_rename_mutex), and other threads
 *  would spin. */
async function moveSingleFiles(
  pool: FilePool,
  { root, workRoot, places }: Destination,
  tree: FetchedTree,
  { mayDelete, moved, directories }: Moving,
): Promise<void> {
  const directory = join(workRoot, filesName)
  if (!isThere(directory)) return
  const entries = readdirSync(directory).flatMap((folder) =>
    readdirSync(join(directory, folder), { withFileTypes: true }),
  )
  const prepare = (batch: Dirent[]): MoveTask => {
    const paths: string[] = []
    const replaces: number[] = []
    for (const entry of batch) {
      const ordinal = Number(entry.name)
      const path = tree.path(ordinal)
      const target = join(root, path)
      directories.open(parentOf(path))
      const isNew = places[ordinal] === place.absent
      const held = clearWay(target, entry, { isNew, mayDelete })
      replaces.push(held === undefined ? 0 : held.isFile() ? 1 : 2)
      paths.push(join(entry.parentPath, entry.name), target)
      moved.push(ordinal)
    }
    return { kind: 'move', paths: paths.join('\0'), replaces: Uint8Array.from(replaces) }
  }
  let moving: Promise<unknown> = Promise.resolve()
  try {
    for (const batch of slicesOf(entries, movesPerTask)) {
      const task = prepare(batch)
      await moving
      moving = pool.run(task)
      moving.catch(() => {})
    }
  } finally {
    await moving
  }
  for (const folder of readdirSync(directory)) rmdirSync(join(directory, folder))
  rmdirSync(directory)
}

async function moveTree(
  pool: FilePool,
  destination: Destination,
  tree: FetchedTree,
  { mayDelete, moved, directories }: Moving,
): Promise<void> {
  const merge = async (directory: string): Promise<void> => {
    const partial = join(destination.workRoot, treeName, directory)
    directories.open(directory)
    for (const entry of readdirSync(partial, { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      const target = join(destination.root, path)
      if (entry.isDirectory() && destination.hasDirectory(path)) {
        await merge(path)
        continue
      }
      const ordinal = firstFrom(tree, path)
      const isImplied = ordinal === tree.count || tree.path(ordinal) !== path
      const isNew = isImplied
        ? !destination.blocked.has(path)
        : destination.places[ordinal] === place.absent
      const held = clearWay(target, entry, { isNew, mayDelete })
      const from = join(partial, entry.name)
      if (!(await isRenamed(from, target))) {
        if (entry.isDirectory()) {
          mkdirSync(target)
          await merge(path)
        } else {
          // The file to copy can be of any length, so a worker thread copies it.
          const replaces = Uint8Array.of(held === undefined ? 0 : 2)
          await pool.run({ kind: 'move', paths: `${from}\0${target}`, replaces })
        }
      }
      if (!entry.isDirectory()) moved.push(ordinal)
    }
    rmdirSync(partial)
  }
  if (isThere(join(destination.workRoot, treeName))) await merge('')
}

/** Removes what a rename would not replace; returns the stats of what it will replace. `isNew`:
 *  nothing was there before the download. */
function clearWay(
  target: string,
  entry: Dirent,
  { isNew, mayDelete }: { isNew: boolean; mayDelete: boolean },
): Stats | undefined {
  const held = lstatSync(target, { throwIfNoEntry: false })
  if (held === undefined) return undefined
  if (isNew) throw occupied(target)
  if (!held.isDirectory()) {
    if (!entry.isDirectory()) return held
    unlinkSync(target)
    return undefined
  }
  if (!mayDelete) refuseFull(target)
  removeWhole(target)
  return undefined
}
