/** Reads a token from stdin, for commands that must not take one as an argument. */
import { limits } from '../../core/limits.ts'
import { UsageError } from '../arguments.ts'

/** Errors: UsageError. */
export async function readTokenFrom(stdin: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const piece of stdin.setEncoding('utf8')) {
    text += piece
    if (text.length > limits.tokenCharactersMax)
      throw new UsageError('stdin does not contain a token')
  }
  const token = text.trim()
  if (token === '') throw new UsageError('stdin is empty, expected a token')
  return token
}
