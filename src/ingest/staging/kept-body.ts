/** The body of a request whose job has to wait, in a file of the staging directory. A body that
 *  nobody reads makes its sender give up, and a job that reads from a slow sender keeps others
 *  waiting; from a file it is read at once. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { asError } from '../../core/errors.ts'
import { removeStaged } from './remove-staged.ts'
import {
  arrivingFile,
  makeUpload,
  type StagingArea,
  translated,
  uploadPath,
} from './staging-area.ts'

export interface KeptBody {
  /** Why the body ended early; undefined: it is complete. */
  readonly failure: Error | undefined
  /** Where the bytes are that arrived. */
  readonly path: string
  /** Deletes the file. Idempotent. */
  remove(): Promise<void>
}

/** Resolves when `body` has ended or failed; an aborted signal makes it fail. Errors:
 *  storage_full. */
export async function keepBody(
  area: StagingArea,
  body: Readable,
  signal?: AbortSignal,
): Promise<KeptBody> {
  const id = randomBytes(16).toString('hex')
  const path = uploadPath(area, id, arrivingFile())
  const remove = async (): Promise<void> => {
    await removeStaged(uploadPath(area, id))
  }
  try {
    await makeUpload(area, id)
    const file = await translated(id, open(path, 'wx'))
    const failure = await translated(
      id,
      writeAll(area, file, signal ? addAbortSignal(signal, body) : body),
    )
    return { failure, path, remove }
  } catch (error) {
    body.destroy()
    await remove()
    throw error
  }
}

/** Writes the body and closes the file. Returns the failure of the body, if it fails. Errors:
 *  storage_full, those of the system. */
async function writeAll(
  area: StagingArea,
  file: FileHandle,
  body: Readable,
): Promise<Error | undefined> {
  const chunks = body.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => asError(error))
      if (next instanceof Error) return next
      if (next.done === true) return undefined
      const chunk = next.value as Buffer
      await area.requireRoom?.(chunk.length)
      await file.appendFile(chunk)
    }
  } finally {
    await file.close()
  }
}
