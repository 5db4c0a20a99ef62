/** Recognizes pipes whose opening would wait for a writer and block the process, even against
 *  signals. */
import { statSync } from 'node:fs'

/** Whether the path stands for what a process has open, as those of `<(command)` in a shell do. */
export function isOpenFile(path: string): boolean {
  return /^\/dev\/(?:fd\/|std(?:in|out|err)$)|^\/proc\//.test(path)
}

/** False for a pipe that is open already. */
export function isNamedPipe(path: string): boolean {
  if (isOpenFile(path)) return false
  try {
    return statSync(path).isFIFO()
  } catch {
    // Reading it reports why.
    return false
  }
}
