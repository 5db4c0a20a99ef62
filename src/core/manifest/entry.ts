/** Entries: the paths of an artifact. Only this file decides whether a path is safe to write to a
 *  disk. */
import type { Digest } from '../bytes/digest.ts'
import { storeError } from '../errors.ts'
import { limits } from '../limits.ts'

declare const pathBrand: unique symbol
/** A relative path with forward slashes that stays below its root. Made only by
 *  `parseEntryPath`. */
export type EntryPath = string & { readonly [pathBrand]: true }

export type EntryKind = 'file' | 'directory' | 'symlink'

/** One path of an artifact. Modes are the nine permission bits; set-uid, set-gid and sticky bits
 *  are dropped. */
export type Entry =
  | { kind: 'file'; path: EntryPath; mode: number; digest: Digest; sizeBytes: number }
  | { kind: 'directory'; path: EntryPath; mode: number }
  | { kind: 'symlink'; path: EntryPath; mode: number; target: string }

/** Fast path for most paths: short, and made of plainly safe segments. Takes a tenth of the time of
 *  the full check. */
const plainPath = /^[\w@+~-][\w@+~. -]*(?:\/[\w@+~-][\w@+~. -]*)*$/
const plainLengthMax = Math.min(limits.segmentBytesMax, limits.pathBytesMax)

/** Returns why a path may not be stored, or undefined when it may. Callers strip trailing slashes
 *  first. */
export function pathFault(path: string): string | undefined {
  if (path.length <= plainLengthMax && plainPath.test(path)) return undefined
  if (path === '') return 'it is empty'
  if (Buffer.byteLength(path) > limits.pathBytesMax) {
    return `it is longer than ${limits.pathBytesMax} bytes`
  }
  if (path.startsWith('/')) return 'it is absolute'
  if (/^[A-Za-z]:/.test(path)) return 'it begins with a drive letter'
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is rejected.
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'it contains a control character'
  if (!path.isWellFormed()) return 'it is not valid Unicode'
  for (const segment of path.split('/')) {
    if (segment === '') return 'it has an empty segment'
    if (segment === '.' || segment === '..') return `it has a "${segment}" segment`
    if (Buffer.byteLength(segment) > limits.segmentBytesMax) {
      return `a segment is longer than ${limits.segmentBytesMax} bytes`
    }
  }
  // A backslash separates segments on Windows, so `..\` would climb out there.
  if (path.includes('\\') && path.split(/[\\/]/).includes('..')) return 'it has a ".." segment'
  return undefined
}

/** The directory that holds a path; `''` for a path of one segment. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** The last segment of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Errors: unsafe_path, with the path and the reason. */
export function parseEntryPath(path: string): EntryPath {
  const fault = pathFault(path)
  if (fault !== undefined) throw unsafePath(path, fault)
  return path as EntryPath
}

export function unsafePath(path: string, reason: string): Error {
  const message = `invalid path ${JSON.stringify(path)}: ${reason}`
  return storeError('unsafe_path', message, { path, reason })
}

/** Archives write `./a`, `a//b` and `dir/` for `a`, `a/b` and `dir`. Nothing else is repaired:
 *  `..`, a leading slash and the like are left for `pathFault`. Returns '' for the root itself
 *  (`./`). */
export function normalizeArchivePath(path: string): string {
  if (path.startsWith('/')) return path
  return path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/')
}

/** Strips trailing slashes in one pass. The pattern `/\/+$/` is quadratic: it retries at each of
 *  the thousands of slashes that a crafted URL can contain, which takes half a second. */
export function withoutEndSlashes(path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

/** The order of entries everywhere: by the bytes of the UTF-8 path. */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0
  // UTF-16 order equals UTF-8 order except between surrogates and U+E000–U+FFFF. Testing for these
  // is faster than looping to the first difference, because neighbouring paths share most of their
  // length.
  return needsByteOrder(a) || needsByteOrder(b)
    ? Buffer.compare(Buffer.from(a), Buffer.from(b))
    : a < b
      ? -1
      : 1
}

function needsByteOrder(text: string): boolean {
  return /[\ud800-\uffff]/.test(text)
}

/** Formats a mode for messages: `0644`. */
export function formatMode(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`
}

/** Default modes for uploads that carry none. */
export const defaultFileMode = 0o644
export const defaultDirectoryMode = 0o755
export const symlinkMode = 0o777
