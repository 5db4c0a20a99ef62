/** What the documentation says of a route. */
import type { z } from 'zod'

/** A body: JSON of a schema, one JSON value a line, or bytes of the media types named. */
export type Content =
  | { json: z.ZodType }
  | { ndjson: z.ZodType; orJson?: z.ZodType }
  | { bytes: string[] }

export interface ApiRoute {
  method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  /** With `{parameters}`, from the root. */
  path: string
  operationId: string
  summary: string
  query?: z.ZodObject
  request?: Content
  /** Success statuses with their bodies; failures are problems, the same for every route. */
  responses: Record<number, { description: string; content?: Content }>
  /** Error statuses that this route adds to 400, 401, 403 and 404. */
  errors?: number[]
}
