/** What the threads that work on files are asked, and what they answer. Many small files make one task, and columns of
 *  numbers travel without being copied, because a message for each file would cost more than the file. */

import type { CopyCodec } from '../../core/copy.ts'
import type { Digest } from '../../core/digest.ts'

/** Reads and hashes files. */
export interface HashTask {
  kind: 'hash'
  /** Absolute, each ended by a NUL. */
  paths: string
}

export interface HashAnswer {
  /** `hashColumns` numbers a file: those of the stat cache, then the permission bits. */
  stats: Float64Array
  digests: Uint8Array
  /** 1 for each file whose stats may be recorded. */
  settled: Uint8Array
  /** Content bytes that were read. */
  readBytes: number
}

/** Size, mtime ms, ctime ms, inode; mode. */
export const hashColumns = 5

/** Cuts a large file by content. */
export interface ChunkTask {
  kind: 'chunk'
  path: string
}

export interface ChunkAnswer {
  sizeBytes: number
  /** Size, mtime ms, ctime ms, inode: how the file looked before it was read. */
  stats: Float64Array
  crc32: number
  /** Of each part, in order. */
  sizes: Uint32Array
  digests: Uint8Array
  /** Whether the content is compressed already. */
  isCompressed: boolean
}

/** A stretch of a file that is to be sent as a blob. */
export interface EncodePiece {
  path: string
  offset: number
  sizeBytes: number
  digest: string
  /** 0 for content that is compressed already. */
  level: number
  /** Whether a large file begins here that is sent whole. */
  isFirstPart: boolean
}

/** Makes records of `/packs` bodies; fails when a piece no longer has its digest. */
export interface EncodeTask {
  kind: 'encode'
  pieces: EncodePiece[]
}

export interface EncodeAnswer {
  records: Uint8Array
}

/** Files of a download in memory, to be inflated, checked and written. */
export interface PlaceTask {
  kind: 'place'
  /** `placeColumns` numbers a file. */
  files: Float64Array
  digests: Uint8Array
  /** Absolute paths that get the contents, each ended by a NUL, those of a file in a row; missing directories are made. */
  paths: string
  /** Permission bits and modification time (seconds, NaN for none) of each path. */
  attributes: Float64Array
  /** Stored bytes of all files, one after the other. */
  stored: Uint8Array
}

/** Content bytes, stored bytes, codec (its place in `copyCodecs`), paths. */
export const placeColumns = 4
export const copyCodecs: readonly CopyCodec[] = ['joining', 'deflate', 'stored']

/** Where a file goes, and what it is given. */
export interface PlaceTarget {
  path: string
  mode: number
  /** Seconds; null leaves the time of writing. */
  modifiedAt: number | null
}

export interface PlaceAnswer {
  /** Stat columns of each path, in order. */
  stats: Float64Array
  /** The buffer of the task. */
  stored: Uint8Array
}

/** Parts of a large file, to be inflated and written where they belong in a file that is there. */
export interface PatchTask {
  kind: 'patch'
  path: string
  pieces: {
    offset: number
    sizeBytes: number
    codec: CopyCodec
    lengthBytes: number
  }[]
  /** Stored bytes of all pieces, one after the other. */
  stored: Uint8Array
}

/** Parts that an older file has, to be copied into a file that is there; fails when one of them no longer has its digest. */
export interface CopyTask {
  kind: 'copy'
  from: string
  to: string
  pieces: { from: number; to: number; sizeBytes: number; digest: Digest }[]
}

/** Looks which parts of a large file are in their places in one that was not finished. */
export interface FindPartsTask {
  kind: 'findParts'
  path: string
  /** Of each part, in order. */
  sizes: Uint32Array
  digests: Uint8Array
}

/** The end of a large file: its digest is checked, then it gets its mode and time. */
export interface SealTask {
  kind: 'seal'
  path: string
  digest: string
  mode: number
  modifiedAt: number | null
}

/** Looks which files of a directory tree are there and what they hold; as `hash`, but absence is an answer. */
export interface CheckTask {
  kind: 'check'
  paths: string
}

/** Looks whether files below `root` are as they were known. All of it lies in shared memory, where several threads take what
 *  nobody has taken yet, so that none waits for another to hand out work. */
export interface VerifyTask {
  kind: 'verify'
  root: string
  /** Of a manifest (core/manifest.ts); where in it each line begins, and the last one ends. */
  text: Uint8Array
  starts: Uint32Array
  /** `statColumns` numbers a line, NaN for those that are not looked at. */
  stats: Float64Array
  /** Whether a file counts that is seen through a link. */
  throughLinks: boolean
  /** One number: the first line that is not taken. */
  cursor: Int32Array
  /** The answer: permission bits of the file of each line; `unverified` of one that is not as it was known. */
  modes: Uint16Array
}

export interface VerifyAnswer {
  /** Directories that the files lie in, and those above, with a line feed between each two; and their permission bits. */
  directories: string
  directoryModes: Uint16Array
}

export const unverified = 0xffff

/** Moves files and links. */
export interface MoveTask {
  kind: 'move'
  /** From and to, in turn, with a NUL between each two. */
  paths: string
  /** 1 for each that takes the place of a file. */
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
  | CheckTask
  | VerifyTask
  | MoveTask

export interface FileAnswers {
  hash: HashAnswer
  chunk: ChunkAnswer
  encode: EncodeAnswer
  place: PlaceAnswer
  patch: { stored: Uint8Array }
  copy: Record<string, never>
  /** 1 for each part that is there. */
  findParts: { isThere: Uint8Array }
  /** Stat columns of the file. */
  seal: { stats: Float64Array }
  /** Size is NaN for what is no readable file. */
  check: HashAnswer
  verify: VerifyAnswer
  move: Record<string, never>
}
