/** Writes a file from a stream. */
import { randomBytes } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { asWriteError, FileError } from './file-error.ts'
import { rename } from './system.ts'

/** Temporary path of a file until it is complete, in its target directory. The name is random,
 *  so that no other process uses it and no symlink can be planted there. */
export function partialBeside(target: string): string {
  return join(dirname(target), `.trove-${randomBytes(4).toString('hex')}.partial`)
}

/** Writes a temporary file and renames it when it is complete; a failure leaves nothing behind.
 *  Errors: FileError, and those of `body`. */
export async function saveAs(
  target: string,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  await requireReplaceable(target)
  const partial = partialBeside(target)
  try {
    // Not `createWriteStream` of a path: aborted at once, it creates the file after the removal.
    const file = (await open(partial, 'wx')).createWriteStream()
    await pipeline(body, file, signal === undefined ? {} : { signal })
    await rename(partial, target)
  } catch (error) {
    // When the file could not be created it cannot be removed either; the first error is the one to
    // report.
    await rm(partial, { force: true }).catch(() => {})
    throw asWriteError(target, error)
  }
}

/** A rename would replace a device such as /dev/null with a file. Errors: FileError. */
async function requireReplaceable(target: string): Promise<void> {
  const held = await stat(target).catch(() => undefined)
  if (held !== undefined && !held.isFile())
    throw new FileError(target, 'is not a regular file, so it cannot be replaced')
}
