/** Recognizes pipes whose opening would wait for a writer and block the process, even against
 *  signals. */
import { statSync } from 'node:fs'

/** False for a pipe that is open already, as those of `<(command)` in a shell. */
export function isNamedPipe(path: string): boolean {
  if (/^\/dev\/(?:fd\/|stdin$)|^\/proc\//.test(path)) return false
  try {
    return statSync(path).isFIFO()
  } catch {
    // Reading it reports why.
    return false
  }
}
