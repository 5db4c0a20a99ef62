/** Checks response messages as far as the client needs: the fields it reads are present, and
 *  `items` is a list of objects. The schemas in `api` only supply the types here, because loading
 *  them takes longer than a small command runs. */
import { type Digest, parseWireDigest } from '../../core/bytes/digest.ts'
import type { ServerAddress } from './agents.ts'
import { unreadableAnswer } from './foreign-answer.ts'

/** Parses the message in `text`. Errors: AnswerError, naming the server and the
 *  field, when it is no JSON object with these fields. */
export function parseMessage<Message extends object>(
  server: ServerAddress,
  text: string,
  fields: readonly (keyof Message & string)[],
): Message {
  const value = objectOf(text)
  const fault = value === undefined ? 'not a JSON object' : faultOf(value, fields)
  if (fault === undefined) return value as Message
  throw unreadableAnswer(server, fault)
}

/** Parses the JSON object in `text`; undefined when there is none. */
export function objectOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Parses a digest of a message. Errors: AnswerError. */
export function digestIn(server: ServerAddress, text: string): Digest {
  const digest = parseWireDigest(text)
  if (digest !== undefined) return digest
  throw unreadableAnswer(server, `${JSON.stringify(text)} instead of a digest`)
}

function faultOf(value: object, fields: readonly string[]): string | undefined {
  const missing = fields.find((field) => !(field in value))
  if (missing !== undefined) return `missing field ${JSON.stringify(missing)}`
  return 'items' in value && !isListOfObjects(value.items) ? 'items that are no list' : undefined
}

function isListOfObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null)
}
