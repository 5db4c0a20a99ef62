/** The description of a route in the API documentation. */
import type * as z from 'zod'

/** A body: JSON of a schema, one JSON value per line, or bytes of the named media types. */
export type Content =
  | { json: z.ZodType }
  | { ndjson: z.ZodType; orJson?: z.ZodType }
  | { bytes: string[] }

/** A response: its description and body. */
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

export const unmodified: Record<number, Answer> = { 304: { description: 'Not modified.' } }

export interface ApiRoute {
  method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  /** From the root, with `{parameters}`. */
  path: string
  operationId: string
  summary: string
  /** Requires no token: the body carries one, or the response is public. */
  isOpen?: true
  /** Requires no token for a project that everyone may read. */
  readsPublic?: true
  query?: z.ZodObject
  request?: Content
  /** Every status other than an error, with its body. */
  responses: Record<number, Answer>
  /** Error statuses to expect besides 400, 401, 403 and 404; the document declares all others as
   *  possible. */
  errors?: number[]
}
