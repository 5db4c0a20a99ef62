/** Reads a token from stdin, for commands that must not take one as an argument; at a terminal
 *  without showing it. */
import { on } from 'node:events'
import { addAbortSignal } from 'node:stream'
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
  for await (const [text] of on(stdin, 'data', { signal, close: ['end'] })) {
    for (const key of text as string) {
      if (key === interrupt) throw new DOMException('interrupted', 'AbortError')
      if (enter.includes(key) || (key === endOfInput && line !== '')) return line
      if (key === endOfInput) throw new UsageError('no token was entered')
      if (eraseLine.includes(key)) line = ''
      else if (eraseCharacter.includes(key)) line = line.slice(0, -1)
      else line += key
      if (line.length > limits.tokenCharactersMax)
        throw new UsageError('what was entered is no token: it is too long')
    }
  }
  throw new UsageError('no token was entered')
}

/** Reads stdin to its end. Errors: UsageError, AbortError. */
export async function readTokenFrom(
  stdin: NodeJS.ReadStream,
  signal: AbortSignal,
): Promise<string> {
  let text = ''
  for await (const piece of addAbortSignal(signal, stdin.setEncoding('utf8'))) {
    text += piece
    if (text.length > limits.tokenCharactersMax)
      throw new UsageError('stdin does not contain a token')
  }
  const token = text.trim()
  if (token === '') throw new UsageError('stdin is empty, expected a token')
  return token
}
