/** A file that is written from a stream. */
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { asWriteError } from './file-error.ts'

/** The file gets its name only when it is whole; a failure leaves nothing. Errors: FileError, and those of `body`. */
export async function saveAs(
  target: string,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const partial = `${target}.partial`
  try {
    await pipeline(body, createWriteStream(partial), signal === undefined ? {} : { signal })
    await rename(partial, target)
  } catch (error) {
    // Where it could not be made it cannot be removed either; what is told is the first failure.
    await rm(partial, { force: true }).catch(() => {})
    throw asWriteError(target, error)
  }
}
