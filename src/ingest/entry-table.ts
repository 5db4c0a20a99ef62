/** The entries of an upload under way, in compact columns (about 100 bytes and the path each), because an upload may
 *  have a million. Entries arrive in any order; `sort` puts them in manifest order and judges them as a tree. */
import { type Digest, digestFromBytes, digestToBytes } from '../core/digest.ts'
import {
  type Entry,
  type EntryPath,
  comparePaths,
  defaultDirectoryMode,
  parseEntryPath,
} from '../core/entry.ts'
import { storeError } from '../core/errors.ts'
import { checkSymlinkTarget } from '../core/manifest.ts'

export interface EntryTable {
  /** Errors: unsafe_path, too_large (entries). `modifiedAt` is in whole seconds. */
  addFile(
    path: string,
    file: { mode: number; digest: Digest; sizeBytes: number; modifiedAt: number | null },
  ): void
  addDirectory(path: string, directory: { mode: number; modifiedAt: number | null }): void
  addSymlink(path: string, link: { target: string; modifiedAt: number | null }): void
  readonly count: number
  /** The file added under exactly this path (tar hard links name an earlier entry). */
  findFile(path: string): { digest: Digest; sizeBytes: number; mode: number } | undefined
  /** Orders the entries and drops directories that their contents imply. Call once, after the last add.
   *  Errors: duplicate_path (also for a file that is a directory elsewhere). */
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

export function createEntryTable(options: { entriesMax: number }): EntryTable {
  const paths: EntryPath[] = []
  const kinds: number[] = []
  const modes: number[] = []
  const sizes: number[] = []
  const times: (number | null)[] = []
  const targets = new Map<number, string>()
  let digests = Buffer.alloc(32 * 1024)
  let byPath: Map<string, number> | undefined

  const push = (
    path: string,
    kind: number,
    mode: number,
    sizeBytes: number,
    modifiedAt: number | null,
  ): number => {
    if (paths.length >= options.entriesMax) {
      throw storeError('too_large', `the artifact has more than ${options.entriesMax} entries`, {
        limit: 'entries of one artifact',
        limitValue: options.entriesMax,
        setting: 'TROVE_MAX_ENTRIES',
      })
    }
    const index = paths.push(parseEntryPath(path)) - 1
    kinds.push(kind)
    modes.push(mode & 0o777)
    sizes.push(sizeBytes)
    times.push(modifiedAt)
    byPath?.set(path, index)
    return index
  }
  const digestAt = (index: number): Digest =>
    digestFromBytes(digests.subarray(index * 32, index * 32 + 32))

  return {
    addFile: (path, file) => {
      const index = push(path, kindFile, file.mode, file.sizeBytes, file.modifiedAt)
      if (digests.length < (index + 1) * 32) {
        digests = Buffer.concat([digests], Math.max(digests.length * 2, (index + 1) * 32))
      }
      digestToBytes(file.digest).copy(digests, index * 32)
    },
    addDirectory: (path, directory) => {
      push(path, kindDirectory, directory.mode, 0, directory.modifiedAt)
    },
    addSymlink: (path, link) => {
      checkSymlinkTarget(path, link.target)
      targets.set(push(path, kindSymlink, 0o777, 0, link.modifiedAt), link.target)
    },
    get count() {
      return paths.length
    },
    findFile: (path) => {
      byPath ??= new Map(paths.map((known, index) => [known, index]))
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

/** Indexes in manifest order. A directory stays when it is empty or its mode is not the usual one. */
function sortedOrder(paths: EntryPath[], kinds: number[], modes: number[]): Uint32Array {
  const order = Uint32Array.from(paths.keys()).sort((a, b) => comparePaths(paths[a]!, paths[b]!))
  const occupied = new Set<string>()
  for (const path of paths) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash)
      if (occupied.has(parent)) break
      occupied.add(parent)
    }
  }
  return order.filter((index, position) => {
    const path = paths[index]!
    const before = position === 0 ? undefined : paths[order[position - 1]!]
    const isDirectory = kinds[index] === kindDirectory
    const repeats = path === before
    // Archives that name a directory twice mean one directory.
    if (repeats && isDirectory && kinds[order[position - 1]!] === kindDirectory) return false
    if (repeats || (!isDirectory && occupied.has(path))) {
      throw storeError(
        'duplicate_path',
        `path ${JSON.stringify(path)} occurs twice in the upload`,
        { path },
      )
    }
    return !isDirectory || !occupied.has(path) || modes[index] !== defaultDirectoryMode
  })
}
