/** The digest of a file that the user names: symlinks are followed, and `-` is stdin. */
import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { createDigestHasher, type Digest } from '../../core/bytes/digest.ts'
import { isNamedPipe } from '../../named-pipe.ts'
import { FileError, namedFileError } from './file-error.ts'

/** Errors: FileError, the signal's. */
export async function digestOfFile(
  path: string,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: (count: number) => void },
): Promise<Digest> {
  if (path !== '-' && isNamedPipe(path))
    throw new FileError(path, 'is a pipe; read its content from stdin')
  const hasher = createDigestHasher()
  const stream = path === '-' ? process.stdin : createReadStream(path)
  try {
    for await (const chunk of addAbortSignal(signal, stream) as AsyncIterable<Uint8Array>) {
      hasher.update(chunk)
      onBytes?.(chunk.length)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw namedFileError(path, error)
  }
  return hasher.digest()
}
