/** Reads a token from stdin, for commands that must not take one as an argument. */
import { addAbortSignal } from 'node:stream'
import { limits } from '../../core/limits.ts'
import { UsageError } from '../arguments.ts'

/** Errors: UsageError, AbortError. */
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
