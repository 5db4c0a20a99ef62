/** Asks for a secret at a terminal, without showing it. */
import { limits } from '../../core/limits.ts'
import { UsageError } from '../arguments.ts'

const enter = ['\r', '\n']
const interrupt = '\u0003'
const endOfInput = '\u0004'
const eraseCharacter = ['\b', '\u007f']
/** Ctrl-U and Ctrl-W: a token has no words. */
const eraseLine = ['\u0015', '\u0017']

/** Returns the line that is typed or pasted. The terminal is in raw mode meanwhile: keys arrive as
 *  characters, and Ctrl-C sends no signal. Errors: AbortError, also for Ctrl-C; UsageError for a
 *  line that is too long or absent. */
export async function readHiddenLine(
  stdin: NodeJS.ReadStream,
  prompt: () => Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  // Before the prompt, so that nothing of an early paste is shown.
  stdin.setRawMode(true)
  try {
    await prompt()
    return await lineOf(stdin.setEncoding('utf8'), signal)
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
  }
}

async function lineOf(stdin: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  let line = ''
  const { promise, resolve, reject } = withResolvers()
  const take = (text: string): void => {
    for (const key of text) {
      if (key === interrupt) return reject(new DOMException('interrupted', 'AbortError'))
      if (enter.includes(key) || (key === endOfInput && line !== '')) return resolve(line)
      if (key === endOfInput) return reject(new UsageError('no token was entered'))
      if (eraseLine.includes(key)) line = ''
      else if (eraseCharacter.includes(key)) line = line.slice(0, -1)
      else line += key
      if (line.length > limits.tokenCharactersMax)
        return reject(new UsageError('what was entered is no token: it is too long'))
    }
  }
  const abort = (): void => reject(signal.reason as Error)
  const end = (): void => reject(new UsageError('no token was entered'))
  stdin.on('data', take)
  stdin.once('end', end)
  stdin.once('error', reject)
  signal.addEventListener('abort', abort)
  try {
    return await promise
  } finally {
    stdin.off('data', take)
    stdin.off('end', end)
    stdin.off('error', reject)
    signal.removeEventListener('abort', abort)
  }
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers(): {
  promise: Promise<string>
  resolve: (line: string) => void
  reject: (error: Error) => void
} {
  let resolve!: (line: string) => void
  let reject!: (error: Error) => void
  const promise = new Promise<string>((onLine, onError) => {
    resolve = onLine
    reject = onError
  })
  return { promise, resolve, reject }
}
