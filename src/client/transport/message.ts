/** What answers say, as far as the client needs it checked: that the fields it reads are there. The schemas in `api` give
 *  the types and nothing else here, because loading them takes longer than a small command runs. */
import { type ServerAddress, unreadableAnswer } from './proxy-error.ts'

/** The message in `text`. Errors: AnswerError or ProxyRefusal, when it is no JSON object with these fields, which names the
 *  server and the field. */
export function parseMessage<Message extends object>(
  server: ServerAddress,
  text: string,
  fields: readonly (keyof Message & string)[],
): Message {
  const value = objectOf(text)
  const missing = value === undefined ? 'it is no JSON object' : missingField(value, fields)
  if (missing === undefined) return value as Message
  throw unreadableAnswer(server, missing)
}

/** The JSON object in `text`; undefined when there is none. */
export function objectOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function missingField(value: object, fields: readonly string[]): string | undefined {
  const missing = fields.find((field) => !(field in value))
  return missing === undefined ? undefined : `there is no ${JSON.stringify(missing)}`
}
