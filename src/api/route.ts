/** What the documentation says of a route. */
import type { z } from 'zod'

/** A body: JSON of a schema, one JSON value a line, or bytes of the media types named. */
export type Content =
  | { json: z.ZodType }
  | { ndjson: z.ZodType; orJson?: z.ZodType }
  | { bytes: string[] }

/** An answer of a status: what it says, and its body. */
export interface Answer {
  description: string
  content?: Content
}

export function json(description: string, schema: z.ZodType): Answer {
  return { description, content: { json: schema } }
}

export function bytes(description: string, ...mediaTypes: string[]): Answer {
  return { description, content: { bytes: mediaTypes } }
}

export interface ApiRoute {
  method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  /** With `{parameters}`, from the root. */
  path: string
  operationId: string
  summary: string
  /** It takes no token: the body is one, or the answer is for all. */
  isOpen?: true
  query?: z.ZodObject
  request?: Content
  /** Every status that is no problem, with its body. */
  responses: Record<number, Answer>
  /** Statuses of problems to expect besides 400, 401, 403 and 404; the document says that any other is one too. */
  errors?: number[]
}
