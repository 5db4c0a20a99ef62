/** Random access to staged bytes: several files on disk, read as one sequence. */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { notFound, storeError, hasErrno } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { pagesOf } from '../../core/slices.ts'
import type { StagedBytes } from '../job.ts'
import { ordinalFile } from './staging-area.ts'

export interface StagedReader {
  readonly sizeBytes: number
  /** Returns exactly the bytes of `[offset, offset + lengthBytes)`, in memory of their own.
   *  Errors: incomplete_body when staging is shorter than it was, not_found when it is gone; the
   *  signal's. */
  read(offset: number, lengthBytes: number): Promise<Buffer>
  /** Fills `target` with the bytes from `offset` on. Errors: as `read`. */
  readInto(target: Buffer, offset: number): Promise<void>
  /** Yields the same range in pieces of at most `limits.readWindowBytes`. */
  stream(offset: number, lengthBytes: number): AsyncGenerator<Buffer>
  close(): Promise<void>
}

/** Looks up all sizes, of which 50,000 would keep the main thread busy for a second. Once `signal`
 *  is aborted, nothing more can be read.
 *  Errors: not_found. */
export async function openStagedReader(
  { directory }: StagedBytes,
  signal?: AbortSignal,
): Promise<StagedReader> {
  const sizes = await sizesOf(directory)
  const starts: number[] = []
  let sizeBytes = 0
  for (const size of sizes) {
    starts.push(sizeBytes)
    sizeBytes += size
  }
  // An upload may have 50,000 blocks, so only the file being read is kept open.
  let held: { index: number; handle: FileHandle } | undefined

  const handleOf = async (index: number): Promise<FileHandle> => {
    if (held?.index === index) return held.handle
    await held?.handle.close()
    held = undefined
    const handle = await present(open(join(directory, ordinalFile(index)), 'r'))
    held = { index, handle }
    return handle
  }

  const fileAt = (offset: number): number => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  const readInto = async (target: Buffer, offset: number): Promise<void> => {
    signal?.throwIfAborted()
    const lengthBytes = target.length
    if (offset < 0 || offset + lengthBytes > sizeBytes) {
      throw new RangeError(`read of ${lengthBytes} at ${offset} past the end at ${sizeBytes}`)
    }
    let done = 0
    let index = fileAt(offset)
    while (done < lengthBytes) {
      const inFile = offset + done - starts[index]!
      const want = Math.min(lengthBytes - done, sizes[index]! - inFile)
      if (want > 0) {
        const handle = await handleOf(index)
        const { bytesRead } = await handle.read(target, done, want, inFile)
        if (bytesRead === 0) {
          throw storeError(
            'incomplete_body',
            `staged bytes end at ${offset + done} of ${sizeBytes}`,
            {
              expectedBytes: sizeBytes,
              actualBytes: offset + done,
            },
          )
        }
        done += bytesRead
      }
      if (offset + done >= starts[index]! + sizes[index]!) index += 1
    }
  }

  const read = async (offset: number, lengthBytes: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafeSlow(lengthBytes)
    await readInto(bytes, offset)
    return bytes
  }

  return {
    sizeBytes,
    read,
    readInto,
    stream: async function* (offset, lengthBytes) {
      for (const page of pagesOf(lengthBytes, limits.readWindowBytes))
        yield await read(offset + page.at, page.lengthBytes)
    },
    close: async () => {
      await held?.handle.close()
      held = undefined
    },
  }
}

async function sizesOf(directory: string): Promise<Float64Array> {
  const { length } = await present(readdir(directory))
  const sizes = new Float64Array(length)
  for (let ordinal = 0; ordinal < length; ordinal++)
    sizes[ordinal] = (await present(stat(join(directory, ordinalFile(ordinal))))).size
  return sizes
}

/** Staging is removed when its upload is replaced, or has expired. */
async function present<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error
    const message = 'the staged bytes of the upload are gone: it was replaced or has expired'
    throw notFound('upload', message, { cause: error })
  }
}

/** Serves many small forward reads from one window of memory. */
export interface WindowedReader {
  /** Returns exactly the bytes of that range, valid only until the next call: copy them to keep
   *  them.
   *  Errors: as `StagedReader.read`. */
  read(offset: number, lengthBytes: number): Promise<Buffer>
}

export function windowed(reader: StagedReader): WindowedReader {
  const memory = Buffer.allocUnsafeSlow(Math.min(limits.stagedWindowBytes, reader.sizeBytes))
  let start = 0
  let filled = 0
  return {
    read: async (offset, lengthBytes) => {
      if (lengthBytes > memory.length) return await reader.read(offset, lengthBytes)
      if (offset < start || offset + lengthBytes > start + filled) {
        start = offset
        filled = Math.min(memory.length, reader.sizeBytes - offset)
        await reader.readInto(memory.subarray(0, filled), offset)
      }
      const from = offset - start
      if (from + lengthBytes > filled) {
        throw new RangeError(
          `read of ${lengthBytes} at ${offset} past the end at ${reader.sizeBytes}`,
        )
      }
      return memory.subarray(from, from + lengthBytes)
    },
  }
}
