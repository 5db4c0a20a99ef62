/** The digest of a file that the user names: symlinks are followed, and `-` is stdin. */
import { createReadStream, statSync } from 'node:fs'
import { createDigestHasher, type Digest } from '../../core/bytes/digest.ts'
import { FileError, namedFileError } from './file-error.ts'

/** Errors: FileError, the signal's. */
export async function digestOfFile(
  path: string,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: (count: number) => void },
): Promise<Digest> {
  // To wait for the writer of a pipe would block the process, even against signals.
  if (path !== '-' && isNamedPipe(path))
    throw new FileError(path, 'is a pipe; read its content from stdin')
  const hasher = createDigestHasher()
  const stream = path === '-' ? process.stdin : createReadStream(path)
  try {
    for await (const chunk of stream) {
      signal.throwIfAborted()
      hasher.update(chunk as Uint8Array)
      onBytes?.((chunk as Uint8Array).length)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw namedFileError(path, error)
  }
  return hasher.digest()
}

/** Not one that is open already, as those of `<(command)` in a shell. */
function isNamedPipe(path: string): boolean {
  if (/^\/dev\/(?:fd\/|stdin$)|^\/proc\//.test(path)) return false
  try {
    return statSync(path).isFIFO()
  } catch {
    // Reading it reports why.
    return false
  }
}
