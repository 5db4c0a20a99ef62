/** Tasks of the worker threads that work on files, and their results. A task covers many small
 *  files, and columns of numbers are transferred without copying, because a message per file
 *  would cost more than the file itself. */

import type { FetchedHead } from '../../core/bytes/blob-exchange.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { statColumns } from './stat-columns.ts'

/** Deflate level of native uploads: level 6 takes a third more time and saves 1.4 % (853 MB of
 *  npm packages). */
export const defaultCompressionLevel = 5

/** Reads and hashes files: all of them, or with `check` those of a directory tree that may be
 *  absent. */
export interface HashTask {
  kind: 'hash' | 'check'
  /** Absolute paths, each ended by a NUL. */
  paths: string
}

export interface HashAnswer {
  /** `hashColumns` numbers per file: its stat columns, then its permission bits. */
  stats: Float64Array
  digests: Uint8Array
  /** 1 for each file whose stats may be recorded. */
  settled: Uint8Array
}

export const hashColumns: number = statColumns + 1

/** Cuts a large file into content-defined parts. */
export interface ChunkTask {
  kind: 'chunk'
  path: string
}

export interface ChunkAnswer {
  sizeBytes: number
  /** Stat columns, taken before the file was read. */
  stats: Float64Array
  crc32: number
  /** Sizes and digests of the parts, in order. */
  sizes: Uint32Array
  digests: Uint8Array
  /** Whether the content is compressed already. */
  isCompressed: boolean
}

/** A range of a file that is sent as a blob. */
export interface EncodePiece {
  path: string
  offset: number
  sizeBytes: number
  digest: string
  /** 0 for content that is compressed already. */
  level: number
  /** Whether this is the first part of a large file that is sent whole. */
  isFirstPart: boolean
}

/** Makes the records of a `/packs` body; fails when a piece no longer has its digest. */
export interface EncodeTask {
  kind: 'encode'
  pieces: EncodePiece[]
}

/** Files of a download, held in memory, to be inflated, checked and written. */
export interface PlaceTask {
  kind: 'place'
  /** `placeColumns` numbers per file. */
  files: Float64Array
  digests: Uint8Array
  /** Absolute paths to write, each ended by a NUL; the paths of one file are adjacent. Missing
   *  directories are created. */
  paths: string
  /** Permission bits and modification time (seconds, NaN for none) of each path. */
  attributes: Float64Array
  /** Stored bytes of all files, concatenated. */
  stored: Uint8Array
}

/** Content bytes, stored bytes, codec (index in `copyCodecs` of core/bytes/blob-exchange.ts),
 *  number of paths. */
export const placeColumns = 4

/** Where a file goes, and its mode and time. */
export interface PlaceTarget {
  path: string
  mode: number
  /** Seconds; null keeps the time of writing. */
  modifiedAt: number | null
}

export interface PlaceAnswer {
  /** Stat columns of each path, in order. */
  stats: Float64Array
  /** The buffer of the task, returned for reuse. */
  stored: Uint8Array
}

/** Parts of a large file, to be inflated and written at their offsets in an existing file. */
export interface PatchTask {
  kind: 'patch'
  path: string
  pieces: Omit<FetchedHead, 'ordinal'>[]
  /** Stored bytes of all pieces, concatenated. */
  stored: Uint8Array
}

/** Parts to be copied from an older file into an existing one; fails when a part no longer has
 *  its digest. */
export interface CopyTask {
  kind: 'copy'
  from: string
  to: string
  pieces: { from: number; to: number; sizeBytes: number; digest: Digest }[]
}

/** Finds which parts of a large file an unfinished copy of it already holds at their offsets. */
export interface FindPartsTask {
  kind: 'findParts'
  path: string
  /** Sizes and digests of the parts, in order. */
  sizes: Uint32Array
  digests: Uint8Array
}

/** Completes a large file: checks its digest, then sets its mode and time. */
export interface SealTask extends PlaceTarget {
  kind: 'seal'
  digest: Digest
}

/** Checks by their stats whether files below `root` are unchanged. All of it lies in shared
 *  memory: each thread takes the next files that no other has taken, so none waits for work to
 *  be handed out. */
export interface UnchangedTask {
  kind: 'unchanged'
  root: string
  /** Manifest text (core/manifest/manifest.ts), and where each line begins in it and the last
   *  one ends. */
  text: Uint8Array
  starts: Uint32Array
  /** `statColumns` numbers per line; NaN for lines that are not checked. */
  stats: Float64Array
  /** Whether a file that is reached through a symlink counts as unchanged. */
  throughLinks: boolean
  /** One number: the first line that no thread has taken. */
  cursor: Int32Array
  /** The result: permission bits of the file of each line; `notAsCached` for one that is not as
   *  cached. */
  modes: Uint16Array
}

export interface UnchangedAnswer {
  /** Directories that contain the files and their ancestors, separated by line feeds; and their
   *  permission bits. */
  directories: string
  directoryModes: Uint16Array
}

export const notAsCached = 0xffff

/** Moves files and symlinks. */
export interface MoveTask {
  kind: 'move'
  /** Source and target paths in turn, separated by NULs. */
  paths: string
  /** 0 for each move to a path where nothing may be, 1 for one that replaces a file, 2 for one
   *  that replaces something else. */
  replaces: Uint8Array
}

export type FileTask =
  | HashTask
  | ChunkTask
  | EncodeTask
  | PlaceTask
  | PatchTask
  | CopyTask
  | FindPartsTask
  | SealTask
  | UnchangedTask
  | MoveTask

export interface FileAnswers {
  hash: HashAnswer
  chunk: ChunkAnswer
  encode: { records: Uint8Array }
  place: PlaceAnswer
  patch: { stored: Uint8Array }
  copy: Record<string, never>
  /** 1 for each part that is present. */
  findParts: { isThere: Uint8Array }
  /** Stat columns of the file. */
  seal: { stats: Float64Array }
  /** Size is NaN for a path that is not a readable file. */
  check: HashAnswer
  unchanged: UnchangedAnswer
  move: Record<string, never>
}
