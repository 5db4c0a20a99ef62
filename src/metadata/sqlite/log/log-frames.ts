/** Reads the pages that transactions append to the write-ahead log (sqlite.org/walformat.html).
 *  The log begins with a header. Each page in it, a frame, has a header of its own: its number, the
 *  length of the database if it is the last one of a transaction, and the salts of the log. When
 *  all is copied into the database, the log begins again at its start, with other salts. */
import { closeSync, openSync, readSync } from 'node:fs'

const headerBytes = 32
const frameHeaderBytes = 24
const numberBytes = 4
const saltsAt = { header: 16, frame: 8 } as const
const saltsBytes = 8
const commitAt = 4
export const pageBytes = 4096
const frameBytes = frameHeaderBytes + pageBytes
/** Size of a page after its number. */
export const recordBytes: number = numberBytes + pageBytes
/** Frames read at a time: one mebibyte. */
const framesPerRead = 256
export const recordsBytesMax: number = framesPerRead * recordBytes

export interface LogFrames {
  /** The salts of the log; undefined before the first transaction. */
  salts(): string | undefined
  /** Passes frames `first` to `end` (excluded, from 0) as records of number and page, in what
   *  `space` returns for each call of `onRecords`: `recordsBytesMax` or more. Returns the length of
   *  the database in pages as of the last one, which ends a transaction; undefined when a frame is
   *  of another log. */
  read(
    salts: string,
    range: { first: number; end: number },
    passing: { space(): Uint8Array; onRecords(records: Uint8Array): void },
  ): number | undefined
  /** Whether a transaction that ended at frame `from` or later is left of the log with these salts.
   *  One that was rolled back has no last frame. */
  hasCommit(salts: string, from: number): boolean
  close(): void
}

/** The log of the database at `path` must exist, and continue to as long as this is open. */
export function openLogFrames(path: string): LogFrames {
  const file = openSync(`${path}-wal`, 'r')
  const header = Buffer.alloc(headerBytes)
  const frames = Buffer.alloc(framesPerRead * frameBytes)
  const frameHeader = Buffer.alloc(frameHeaderBytes)
  const readInto = (buffer: Buffer, lengthBytes: number, at: number): boolean =>
    readSync(file, buffer, 0, lengthBytes, at) === lengthBytes
  const readFrameHeader = (at: number): boolean =>
    readInto(frameHeader, frameHeaderBytes, headerBytes + at * frameBytes)
  return {
    salts: () => (readInto(header, headerBytes, 0) ? saltsOf(header, saltsAt.header) : undefined),
    read: (salts, { first, end }, { space, onRecords }) => {
      let pageCount = 0
      for (let at = first; at < end; at += framesPerRead) {
        const count = Math.min(framesPerRead, end - at)
        if (!readInto(frames, count * frameBytes, headerBytes + at * frameBytes)) return undefined
        const records = space().subarray(0, count * recordBytes)
        for (let index = 0; index < count; index++) {
          const from = index * frameBytes
          if (saltsOf(frames, from + saltsAt.frame) !== salts) return undefined
          records.set(frames.subarray(from, from + numberBytes), index * recordBytes)
          records.set(
            frames.subarray(from + frameHeaderBytes, from + frameBytes),
            index * recordBytes + numberBytes,
          )
          pageCount = frames.readUInt32BE(from + commitAt)
        }
        onRecords(records)
      }
      return pageCount
    },
    hasCommit: (salts, from) => {
      for (let at = from; readFrameHeader(at); at++) {
        if (saltsOf(frameHeader, saltsAt.frame) !== salts) return false
        if (frameHeader.readUInt32BE(commitAt) > 0) return true
      }
      return false
    },
    close: () => closeSync(file),
  }
}

/** More often than this the log does not begin again unnoticed. */
const restartsMax = 2 ** 16

/** Whether another log was between those with these salts: the first one rises by one each time
 *  the log begins again. After a log that was rolled back as a whole it may be random. */
export function hasLogBetween(before: string, after: string): boolean {
  const [old, now] = [before, after].map((each) => Buffer.from(each, 'latin1').readUInt32BE())
  const risen = (now! - old!) >>> 0
  return risen > 1 && risen < restartsMax
}

function saltsOf(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, at + saltsBytes)
}
