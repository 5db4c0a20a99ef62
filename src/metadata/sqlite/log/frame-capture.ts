/** The log keeper's side of a page capture: makes sure that no page of the log is copied into the
 *  database, and so overwritten in the log, before it was passed on.
 *
 *  A read transaction at the current end of the log, held during a checkpoint, lets the checkpoint
 *  copy nothing beyond that end and nobody begin the log again. What the checkpoint reports as
 *  committed is read before the transaction ends. Only a transaction that began when everything was
 *  copied already holds nothing back; then a log that has just begun again is told by its salts. */
import SqliteDatabase from 'better-sqlite3'
import { asError } from '../../../core/errors.ts'
import type { Checkpoint } from '../connection/checkpoint.ts'
import type { AskedCapture, SharedLog } from './shared-log.ts'
import { hasLogBetween, openLogFrames, pageBytes } from './log-frames.ts'

/** What the thread of the log keeper sends. `capture`: its number. */
export type CaptureNotice = { capture: number } & (
  | { records: Uint8Array }
  | { pageCount: number; flush: number }
  | { lost: string }
  /** The checkpoint that answers this flush failed on a full disk; it will be made again. */
  | { fullAt: number }
)

export interface FrameCapture {
  /** Makes a checkpoint and passes on what transactions have written. A lost capture passes
   *  nothing. Undefined as for a `Checkpointer`; then `asked` is not answered. */
  checkpoint(asked: Omit<AskedCapture, 'capture'>): Checkpoint | undefined
  close(): void
}

export interface FrameCaptureOptions {
  path: string
  capture: number
  log: Pick<SharedLog, 'failedSyncs'>
  makeCheckpoint(): Checkpoint | undefined
  send(notice: CaptureNotice): void
  /** Where the records of the next notice go. */
  space(): Uint8Array
  /** Log length in pages at which writers make checkpoints too, which nothing holds back. */
  logPagesMax: number
}

/** Attempts to find a log that does not begin again at that moment. */
const attemptsMax = 8

/** The database must exist, and be in use by another connection. */
export function openFrameCapture(options: FrameCaptureOptions): FrameCapture {
  const { path, capture, log, makeCheckpoint, send, space, logPagesMax } = options
  const reader = new SqliteDatabase(path, { readonly: true, fileMustExist: true })
  const look = reader.prepare('SELECT count(*) FROM sqlite_schema')
  const frames = openLogFrames(path)
  const failedSyncs = log.failedSyncs()
  /** Frames of the log with these salts that were passed on. */
  let salts: string | undefined
  let passed = 0
  /** Whether those were all when they were copied into the database, so that the log may begin
   *  again. */
  let isSettled = true
  let isStarting = true
  /** Last request to repeat that was answered. */
  let repeated: number | undefined
  let isLost = false
  /** In pages; 0 until it is known. */
  let pageCount = 0

  const lose = (reason: string): void => {
    isLost = true
    send({ capture, lost: reason })
  }
  /** Whether more was committed before the log with the salts `now` began than was passed on: in a
   *  log in between, or, as its file still shows, in the one that was read. */
  const hadMore = (now: string, made: Checkpoint): boolean => {
    if (salts === undefined) return false
    return hasLogBetween(salts, now) || frames.hasCommit(salts, Math.max(passed, made.pages))
  }
  const pass = (now: string, made: Checkpoint, isRepeated: boolean): void => {
    if (now !== salts) {
      if (!isSettled || hadMore(now, made))
        return lose('the log began again before all of it was read')
      salts = now
      passed = 0
    }
    // What was written before is in the file that will be copied.
    if (isStarting && made.copied === made.pages) passed = made.pages
    if (isRepeated && made.copied < made.pages) passed = 0
    if (made.pages > passed) {
      const range = { first: passed, end: made.pages }
      const onRecords = (records: Uint8Array): void => send({ capture, records })
      const length = frames.read(now, range, { space, onRecords })
      if (!length) return lose('the log changed while it was read')
      pageCount = length
      passed = made.pages
    }
    isSettled = made.copied === made.pages
  }
  const attempt = ({ flush, repeat }: Omit<AskedCapture, 'capture'>): Checkpoint | undefined => {
    reader.exec('BEGIN')
    try {
      look.get()
      const before = frames.salts()
      const made = makeCheckpoint()
      if (made === undefined || frames.salts() !== before) return undefined
      if (before !== undefined) pass(before, made, repeat !== (repeated ?? repeat))
      isStarting = false
      repeated = repeat
      if (pageCount === 0) pageCount = reader.pragma('page_count', { simple: true }) as number
      if (!isLost) send({ capture, pageCount, flush })
      return made
    } finally {
      if (reader.inTransaction) reader.exec('COMMIT')
    }
  }
  if (reader.pragma('page_size', { simple: true }) !== pageBytes)
    lose(`the pages of the database do not have ${pageBytes} bytes`)
  return {
    checkpoint: (asked) => {
      if (isLost) return makeCheckpoint()
      if (log.failedSyncs() !== failedSyncs) {
        lose('the log could not be synced')
        return makeCheckpoint()
      }
      try {
        for (let tries = 0; tries < attemptsMax; tries++) {
          const made = attempt(asked)
          if (made === undefined) continue
          if (!isLost && made.pages >= logPagesMax) lose('the log became too long')
          return made
        }
      } catch (error) {
        // The log keeper must go on.
        if (!isLost) lose(asError(error).message)
      }
      return undefined
    },
    close: () => {
      frames.close()
      reader.close()
    },
  }
}
