/** Manifests: the canonical, immutable list of an artifact's entries. The SHA-256 of its canonical
 *  text is the tree digest: the same files with the same names and modes have the same tree digest,
 *  however they were uploaded.
 *
 *  Canonical text: the line `trove manifest 1`, then one line per entry in `comparePaths` order:
 *    f MODE SIZE SHA256 PATH        a file; MODE is three octal digits
 *    d MODE PATH                    a directory that is empty or whose mode is not 755; other
 *                                   directories are implied by paths
 *    l TARGET-BYTES TARGET PATH     a symbolic link
 *  Paths and targets contain no control characters, so a line never breaks in the middle. */
import { createDigestHasher, type Digest, parseDigest } from '../bytes/digest.ts'
import {
  type Entry,
  type EntryPath,
  comparePaths,
  parseEntryPath,
  symlinkMode,
  unsafePath,
} from './entry.ts'
import { invalidRequest, storeError } from '../errors.ts'
import { limits } from '../limits.ts'

/** Upper bounds on any manifest: most entries that TROVE_MAX_ENTRIES allows, and the longest text
 *  that an upload may send, a kilobyte for each of the entries that are allowed by default. */
export const manifestEntriesMax = 10_000_000
export const manifestTextBytesMax: number = limits.entriesMax * 1024

export const manifestHeader = 'trove manifest 1\n'

/** Formats an entry as its canonical line. */
export function formatEntry(entry: Entry): string {
  const mode = entry.mode.toString(8).padStart(3, '0')
  if (entry.kind === 'file') return `f ${mode} ${entry.sizeBytes} ${entry.digest} ${entry.path}\n`
  if (entry.kind === 'directory') return `d ${mode} ${entry.path}\n`
  return `l ${Buffer.byteLength(entry.target)} ${entry.target} ${entry.path}\n`
}

/** Parses a canonical line, without its line feed; rejects anything that `formatEntry` would not
 *  have written.
 *  Errors: unsafe_path, invalid_request. */
export function parseEntry(line: string): Entry {
  const entry = entryOf(line, parseEntryPath)
  if (entry === undefined || formatEntry(entry) !== `${line}\n`) {
    throw invalidRequest(
      'manifest',
      `not a line of a manifest: ${JSON.stringify(line.slice(0, 200))}`,
    )
  }
  return entry
}

/** Parses a line that is known to be canonical: the manifest's digest vouches for it, or
 *  `parseEntry` accepted it before, in which case its path needs no new check either.
 *  Errors: those of `pathOf`. */
export function readEntry(
  line: string,
  pathOf: (text: string) => EntryPath = (path) => path as EntryPath,
): Entry {
  const entry = entryOf(line, pathOf)
  if (entry === undefined) throw unreadableLine()
  return entry
}

function entryOf(line: string, pathOf: (text: string) => EntryPath): Entry | undefined {
  const mode = Number.parseInt(line.slice(2, 5), 8)
  switch (line.slice(0, 2)) {
    case 'f ': {
      const sizeEnd = line.indexOf(' ', 6)
      const sizeBytes = Number(line.slice(6, sizeEnd))
      const digest = parseDigest(line.slice(sizeEnd + 1, sizeEnd + 65))
      if (sizeEnd < 0 || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined
      if (digest === undefined || Number.isNaN(mode)) return undefined
      return { kind: 'file', path: pathOf(line.slice(sizeEnd + 66)), mode, digest, sizeBytes }
    }
    case 'd ':
      if (Number.isNaN(mode)) return undefined
      return { kind: 'directory', path: pathOf(line.slice(6)), mode }
    case 'l ': {
      const [head, count] = /^l (\d{1,5}) /.exec(line) ?? []
      if (head === undefined) return undefined
      const rest = Buffer.from(line.slice(head.length))
      const target = rest.toString('utf8', 0, Number(count))
      const path = pathOf(rest.toString('utf8', Number(count) + 1))
      checkSymlinkTarget(path, target)
      return { kind: 'symlink', path, mode: symlinkMode, target }
    }
    default:
      return undefined
  }
}

/** Totals and tree digest of a manifest. */
export interface ManifestSummary {
  treeDigest: Digest
  entryCount: number
  fileCount: number
  logicalBytes: number
}

/** Computes a manifest's summary entry by entry. `line`: the entry's canonical line, if the caller
 *  has it. Entries must be added in order; anything else is a bug in the caller. */
export function createManifestHasher(): {
  add(entry: Entry, line?: string): void
  summary(): ManifestSummary
} {
  const hasher = createDigestHasher()
  hasher.update(Buffer.from(manifestHeader))
  let pending = ''
  let previous: string | undefined
  let entryCount = 0
  let fileCount = 0
  let logicalBytes = 0
  return {
    add: (entry, line) => {
      if (previous !== undefined && comparePaths(previous, entry.path) >= 0) {
        throw new RangeError(`entries out of order: ${previous} before ${entry.path}`)
      }
      previous = entry.path
      entryCount += 1
      if (entry.kind === 'file') {
        fileCount += 1
        logicalBytes += entry.sizeBytes
      }
      pending += line === undefined ? formatEntry(entry) : `${line}\n`
      if (pending.length > 65_536) {
        hasher.update(Buffer.from(pending))
        pending = ''
      }
    },
    summary: () => {
      hasher.update(Buffer.from(pending))
      return { treeDigest: hasher.digest(), entryCount, fileCount, logicalBytes }
    },
  }
}

/** Returns a function that checks that entries, given in order, form a tree: no path twice, nothing
 *  below a file or a symlink.
 *  Errors: duplicate_path. */
export function createTreeCheck(): (entry: Pick<Entry, 'kind' | 'path'>) => void {
  // Only paths that begin with `a` sort between `a` and `a/b`, so the possible parents are a short
  // stack.
  const leaves: string[] = []
  let previous: string | undefined
  return ({ kind, path }) => {
    if (previous !== undefined && comparePaths(previous, path) >= 0) throw outOfOrder(path)
    previous = path
    while (leaves.length > 0 && !path.startsWith(leaves.at(-1)!)) leaves.pop()
    if (leaves.some((leaf) => path[leaf.length] === '/')) throw belowFile(path)
    if (kind !== 'directory') leaves.push(path)
  }
}

export function unreadableLine(): Error {
  return new RangeError('a line of a manifest cannot be read')
}

export function outOfOrder(path: string): Error {
  const reason = 'is out of order or occurs twice'
  return storeError('duplicate_path', `path ${JSON.stringify(path)} ${reason}`, { path })
}

export function belowFile(path: string): Error {
  return storeError('duplicate_path', `path ${JSON.stringify(path)} lies below a file`, { path })
}

/** A symlink may point anywhere (dangling and absolute targets are kept); only text that would
 *  break a listing is rejected. Code that extracts must not follow it out of its directory.
 *  Errors: unsafe_path. */
export function checkSymlinkTarget(path: string, target: string): void {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is rejected.
  const bad = target === '' || /[\u0000-\u001f\u007f]/.test(target) || !target.isWellFormed()
  if (bad || Buffer.byteLength(target) > limits.symlinkTargetBytesMax) {
    throw unsafePath(path, 'its link target is empty, too long or contains control characters')
  }
}
