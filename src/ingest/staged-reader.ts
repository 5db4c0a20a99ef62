/** Random access to staged bytes: several files on disk read as one sequence. */
import { type FileHandle, open } from 'node:fs/promises'
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { StagedBytes } from './job.ts'

export interface StagedReader {
  readonly sizeBytes: number
  /** Exactly the bytes of `[offset, offset + lengthBytes)`, in memory of their own.
   *  Errors: incomplete_body when staging is shorter than it was. */
  read(offset: number, lengthBytes: number): Promise<Buffer>
  /** The same range piece by piece, each at most `limits.readWindowBytes`. */
  stream(offset: number, lengthBytes: number): AsyncGenerator<Buffer>
  close(): Promise<void>
}

export function openStagedReader(staged: StagedBytes): StagedReader {
  const starts: number[] = []
  let sizeBytes = 0
  for (const file of staged.files) {
    starts.push(sizeBytes)
    sizeBytes += file.sizeBytes
  }
  // Uploads have up to 50,000 blocks; only the one being read is held open.
  let held: { index: number; handle: FileHandle } | undefined

  const handleOf = async (index: number): Promise<FileHandle> => {
    if (held?.index === index) return held.handle
    await held?.handle.close()
    held = undefined
    const handle = await open(staged.files[index]!.path, 'r')
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

  const read = async (offset: number, lengthBytes: number): Promise<Buffer> => {
    if (offset < 0 || offset + lengthBytes > sizeBytes) {
      throw new RangeError(`read of ${lengthBytes} at ${offset} past the end at ${sizeBytes}`)
    }
    const bytes = Buffer.allocUnsafeSlow(lengthBytes)
    let done = 0
    let index = fileAt(offset)
    while (done < lengthBytes) {
      const inFile = offset + done - starts[index]!
      const want = Math.min(lengthBytes - done, staged.files[index]!.sizeBytes - inFile)
      if (want > 0) {
        const handle = await handleOf(index)
        const { bytesRead } = await handle.read(bytes, done, want, inFile)
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
      if (offset + done >= starts[index]! + staged.files[index]!.sizeBytes) index += 1
    }
    return bytes
  }

  return {
    sizeBytes,
    read,
    stream: async function* (offset, lengthBytes) {
      for (let at = 0; at < lengthBytes; at += limits.readWindowBytes) {
        yield await read(offset + at, Math.min(limits.readWindowBytes, lengthBytes - at))
      }
    },
    close: async () => {
      await held?.handle.close()
      held = undefined
    },
  }
}

/** A reader with one remembered window, for many small reads that go forward. */
export function windowed(
  reader: StagedReader,
  windowBytes: number = limits.stagedWindowBytes,
): StagedReader {
  let start = 0
  let window: Buffer = Buffer.alloc(0)
  return {
    ...reader,
    read: async (offset, lengthBytes) => {
      if (lengthBytes > windowBytes) return reader.read(offset, lengthBytes)
      if (offset < start || offset + lengthBytes > start + window.length) {
        start = offset
        window = await reader.read(offset, Math.min(windowBytes, reader.sizeBytes - offset))
      }
      const from = offset - start
      if (from + lengthBytes > window.length) {
        throw new RangeError(
          `read of ${lengthBytes} at ${offset} past the end at ${reader.sizeBytes}`,
        )
      }
      return window.subarray(from, from + lengthBytes)
    },
  }
}
