/** Collects the streams of one response into tasks for the threads that write files. Memory is
 *  bounded by the buffers that all responses share: when none is free, a response waits for a
 *  task to end. */
import type { FetchedHead } from '../../core/bytes/blob-exchange.ts'
import { statColumns } from '../files/stat-columns.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { PatchTask, PlaceTask } from '../files/file-tasks.ts'
import { type PlaceSource, placeTaskOf } from './place-task.ts'
import type { Rooms } from './rooms.ts'

/** Stored bytes and files per task. A message costs as much as four files; but when few files
 *  come, workers should not wait for the last of them. */
export const taskBytes = 1024 * 1024
export const taskFilesMax = 256
const taskFilesMin = 16
const tasksMin = 8

/** Files per task when `files` are expected. */
export function filesPerTask(files: number): number {
  return Math.min(taskFilesMax, Math.max(taskFilesMin, Math.ceil(files / tasksMin)))
}

export interface FetchedWriter {
  /** Returns the buffer to fill with the stored bytes of the stream before the next call.
   *  `patched` is the file that the stream is a part of; undefined if the stream makes a whole
   *  file. Errors: those of tasks that have ended. */
  add(head: FetchedHead, patched: string | undefined): Promise<Uint8Array>
  /** Waits for everything added. Errors: FileError, digest_mismatch, blob_damaged. */
  finish(): Promise<void>
  /** Waits for running tasks, ignoring their results, and drops the rest. */
  abandon(): Promise<void>
}

export function createFetchedWriter(
  pool: FilePool,
  {
    rooms,
    taskFiles,
    source,
    onPlaced,
  }: {
    rooms: Rooms
    taskFiles: number
    source: PlaceSource
    /** Called when a file has been written, with its stat columns. */
    onPlaced(ordinal: number, stats: Float64Array): void
  },
): FetchedWriter {
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  /** What the room holds: parts of the file at `path`, or whole files. */
  let heads: FetchedHead[] = []
  let path: string | undefined
  let room: { bytes: Uint8Array; isShared: boolean } | undefined
  let usedBytes = 0

  const flush = (): void => {
    if (room === undefined) return
    const { bytes, isShared } = room
    const { task, ordinals } =
      path === undefined
        ? placeTaskOf(heads, source, bytes)
        : { task: { kind: 'patch', path, pieces: heads, stored: bytes } as const, ordinals: [] }
    heads = []
    room = undefined
    usedBytes = 0
    const work = pool.run<PlaceTask | PatchTask>(task, [bytes.buffer as ArrayBuffer]).then(
      (answer) => {
        if (isShared) rooms.release(answer.stored)
        if (!('stats' in answer)) return
        for (const [index, ordinal] of ordinals.entries()) {
          const at = index * statColumns
          onPlaced(ordinal, answer.stats.subarray(at, at + statColumns))
        }
      },
      (error: unknown) => {
        if (isShared) rooms.release(undefined)
        failure ??= { error }
      },
    )
    running.add(work)
    void work.then(() => running.delete(work))
  }

  return {
    add: async (head, patched) => {
      const { lengthBytes } = head
      const isFull = room !== undefined && usedBytes + lengthBytes > room.bytes.length
      const areEnough = path === undefined && heads.length >= taskFiles
      if (isFull || areEnough || path !== patched) flush()
      path = patched
      if (failure !== undefined) throw failure.error
      room ??=
        lengthBytes > taskBytes
          ? { bytes: new Uint8Array(lengthBytes), isShared: false }
          : { bytes: await rooms.take(), isShared: true }
      heads.push(head)
      usedBytes += lengthBytes
      return room.bytes.subarray(usedBytes - lengthBytes, usedBytes)
    },
    finish: async () => {
      flush()
      await Promise.all(running)
      if (failure !== undefined) throw failure.error
    },
    abandon: async () => {
      if (room?.isShared === true) rooms.release(room.bytes)
      room = undefined
      await Promise.all(running)
    },
  }
}
