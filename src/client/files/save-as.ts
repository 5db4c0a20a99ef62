/** A file that is written from a stream. */
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { asWriteError, FileError } from './file-error.ts'
import { rename } from './system.ts'

/** What a file is called until it is whole, in the directory of its place: a name that nobody else has, and that no link can
 *  be waiting under. */
export function partialBeside(target: string): string {
  return join(dirname(target), `.trove-${randomBytes(4).toString('hex')}.partial`)
}

/** The file gets its name only when it is whole; a failure leaves nothing. Errors: FileError, and those of `body`. */
export async function saveAs(
  target: string,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  await refuseOthers(target)
  const partial = partialBeside(target)
  try {
    const file = createWriteStream(partial, { flags: 'wx' })
    await pipeline(body, file, signal === undefined ? {} : { signal })
    await rename(partial, target)
  } catch (error) {
    // Where it could not be made it cannot be removed either; what is told is the first failure.
    await rm(partial, { force: true }).catch(() => {})
    throw asWriteError(target, error)
  }
}

/** A rename would put a file in the place of a device such as /dev/null. Errors: FileError. */
async function refuseOthers(target: string): Promise<void> {
  const held = await stat(target).catch(() => undefined)
  if (held !== undefined && !held.isFile())
    throw new FileError(target, 'is no file that could be replaced')
}
