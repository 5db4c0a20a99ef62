/** The entries of an upload in progress, in compact columns (about 80 bytes plus the path each),
 *  because an upload may have a million. Entries arrive in any order; `sort` puts them in manifest
 *  order and checks that they form a tree. */
import { type Digest, digestBytes, digestFromBytes, digestToBytes } from '../core/bytes/digest.ts'
import {
  type Entry,
  type EntryPath,
  comparePaths,
  defaultDirectoryMode,
  parseEntryPath,
} from '../core/manifest/entry.ts'
import { storeError, tooLarge } from '../core/errors.ts'
import { checkSymlinkTarget } from '../core/manifest/manifest.ts'
import type { TableShare } from './table-memory.ts'

export interface EntryTable {
  /** Resolves when there is memory for more entries. Call it before adding each entry.
   *  Errors: the signal's. */
  room(signal?: AbortSignal): Promise<void>
  /** Errors: unsafe_path, too_large (number of entries, or their memory). `modifiedAt` is in whole
   *  seconds. */
  addFile(
    path: string,
    file: { mode: number; digest: Digest; sizeBytes: number; modifiedAt: number | null },
  ): void
  addDirectory(path: string, directory: { mode: number; modifiedAt: number | null }): void
  addSymlink(path: string, link: { target: string; modifiedAt: number | null }): void
  /** Finds the file added under exactly this path (tar hard links name an earlier entry). */
  findFile(path: string): { digest: Digest; sizeBytes: number; mode: number } | undefined
  /** Orders the entries and drops directories that their contents imply. Call once, after the last
   *  add.
   *  Errors: duplicate_path (also when a path is both a file and a directory). */
  sort(): SortedEntries
}

export interface SortedEntries {
  readonly count: number
  entry(ordinal: number): Entry
  modifiedAt(ordinal: number): number | null
}

const kindFile = 0
const kindDirectory = 1
const kindSymlink = 2

/** An entry's share of the columns, including spare capacity. */
const entryBytes = 80
/** An entry of a Map. */
const mapEntryBytes = 64

/** Memory of a string: one byte per character if all are ASCII, otherwise two. */
function textBytes(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length
}

/** Without `share`, bounding the memory is up to the caller. */
export function createEntryTable(options: { entriesMax: number; share?: TableShare }): EntryTable {
  const { share } = options
  const paths: EntryPath[] = []
  const kinds: number[] = []
  const modes: number[] = []
  const sizes: number[] = []
  const times: (number | null)[] = []
  const targets = new Map<number, string>()
  let digests = Buffer.alloc(digestBytes * 1024)
  let byPath: Map<string, number> | undefined

  const push = (
    path: string,
    kind: number,
    mode: number,
    sizeBytes: number,
    modifiedAt: number | null,
  ): number => {
    if (paths.length >= options.entriesMax) throw tooManyEntries(options.entriesMax)
    share?.add(entryBytes + textBytes(path) + (byPath === undefined ? 0 : mapEntryBytes))
    const index = paths.push(parseEntryPath(path)) - 1
    kinds.push(kind)
    modes.push(mode & 0o777)
    sizes.push(sizeBytes)
    times.push(modifiedAt)
    byPath?.set(path, index)
    return index
  }
  const digestAt = (index: number): Digest =>
    digestFromBytes(digests.subarray(index * digestBytes, (index + 1) * digestBytes))

  return {
    room: async (signal) => {
      await share?.turn(signal)
    },
    addFile: (path, file) => {
      const index = push(path, kindFile, file.mode, file.sizeBytes, file.modifiedAt)
      if (digests.length < (index + 1) * digestBytes) {
        digests = Buffer.concat([digests], Math.max(digests.length * 2, (index + 1) * digestBytes))
      }
      digestToBytes(file.digest).copy(digests, index * digestBytes)
    },
    addDirectory: (path, directory) => {
      push(path, kindDirectory, directory.mode, 0, directory.modifiedAt)
    },
    addSymlink: (path, link) => {
      checkSymlinkTarget(path, link.target)
      share?.add(mapEntryBytes + textBytes(link.target))
      targets.set(push(path, kindSymlink, 0o777, 0, link.modifiedAt), link.target)
    },
    findFile: (path) => {
      if (byPath === undefined) {
        share?.add(paths.length * mapEntryBytes)
        byPath = new Map()
        for (const [index, known] of paths.entries()) byPath.set(known, index)
      }
      const index = byPath.get(path)
      if (index === undefined || kinds[index] !== kindFile) return undefined
      return { digest: digestAt(index), sizeBytes: sizes[index]!, mode: modes[index]! }
    },
    sort: () => {
      const order = sortedOrder(paths, kinds, modes)
      const at = (ordinal: number): number => order[ordinal]!
      return {
        count: order.length,
        modifiedAt: (ordinal) => times[at(ordinal)] ?? null,
        entry: (ordinal) => {
          const index = at(ordinal)
          const path = paths[index]!
          const mode = modes[index]!
          if (kinds[index] === kindFile) {
            return { kind: 'file', path, mode, digest: digestAt(index), sizeBytes: sizes[index]! }
          }
          if (kinds[index] === kindDirectory) return { kind: 'directory', path, mode }
          return { kind: 'symlink', path, mode, target: targets.get(index)! }
        },
      }
    },
  }
}

export function tooManyEntries(entriesMax: number): Error {
  const reason = `the artifact has more than ${entriesMax} entries (TROVE_MAX_ENTRIES)`
  return tooLarge('entries of one artifact', entriesMax, reason, 'TROVE_MAX_ENTRIES')
}

/** Returns the indexes in manifest order. A directory is kept when it is empty or has a mode other
 *  than the default. */
function sortedOrder(paths: EntryPath[], kinds: number[], modes: number[]): Uint32Array {
  const order = Uint32Array.from(paths.keys()).sort((a, b) => comparePaths(paths[a]!, paths[b]!))
  const occupied = findOccupied(paths, order)
  return order.filter((index, position) => {
    const path = paths[index]!
    const before = position === 0 ? undefined : paths[order[position - 1]!]
    const isDirectory = kinds[index] === kindDirectory
    const repeats = path === before
    // Archives may name a directory twice; it is one directory.
    if (repeats && isDirectory && kinds[order[position - 1]!] === kindDirectory) return false
    if (repeats || (!isDirectory && occupied[index] === 1)) {
      const reason = repeats ? 'occurs twice in the upload' : 'is both a file and a directory'
      throw storeError('duplicate_path', `path ${JSON.stringify(path)} ${reason}`, { path })
    }
    return !isDirectory || occupied[index] === 0 || modes[index] !== defaultDirectoryMode
  })
}

/** Marks the entries below whose paths other entries lie. In `order`, all paths that begin with a
 *  certain path follow it without a gap, so the earlier entries that are prefixes of the next path
 *  form a chain. All of these but the last were already compared with the same characters in the
 *  previous entry. A set of all directories would be too large: it grows with the depth of the
 *  paths. */
function findOccupied(paths: EntryPath[], order: Uint32Array): Uint8Array {
  const occupied = new Uint8Array(paths.length)
  const chain: number[] = []
  let before = ''
  for (const index of order) {
    const path = paths[index]!
    const shared = sharedLength(before, path)
    while (chain.length > 0 && paths[chain.at(-1)!]!.length > shared) chain.pop()
    const last = chain.at(-1)
    const repeats = last !== undefined && path === paths[last]
    if (last !== undefined && paths[last]!.length === shared && path[shared] === '/')
      occupied[last] = 1
    // For a repeated path, the first occurrence is marked.
    if (!repeats) chain.push(index)
    before = path
  }
  return occupied
}

/** Length of the common prefix. */
function sharedLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  for (let at = 0; at < most; at++) if (a.charCodeAt(at) !== b.charCodeAt(at)) return at
  return most
}
