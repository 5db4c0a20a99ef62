/** Parses parameters and bodies, once, at the boundary. */
import * as z from 'zod'
import { type Digest, parseWireDigest } from '../core/bytes/digest.ts'
import { invalidRequest } from '../core/errors.ts'
import { type ProjectName, parsePositiveInteger, parseProjectPath } from '../core/run/run.ts'
import { bodyQuery } from '../api/queries.ts'
import type { BodyContext } from './body/body-context.ts'
import { readJsonBody } from './body/request-body.ts'
import { type AppContext, type AppRequest, publicOrigin } from './context.ts'

/** Errors: invalid_request, naming the parameter. */
export function parseQuery<Schema extends z.ZodType>(
  c: AppRequest,
  schema: Schema,
): z.infer<Schema> {
  // No prototype, whose property names would count as given.
  const given = Object.create(null) as Record<string, string>
  for (const [name, value] of new URL(c.req.url).searchParams) {
    if (name in given) {
      throw invalidRequest(name, `parameter ${name} is given twice`)
    }
    given[name] = value
  }
  return parseInput(schema, given, 'query')
}

/** Parses the body as JSON of that schema. `?dryRun` stands for the field, as it does for requests
 *  without a body. Any other parameter is an error, since a request must not do more than its
 *  sender meant. Errors: invalid_request, naming the field; those of reading the body. */
export async function parseBody<Schema extends z.ZodType>(
  context: BodyContext,
  c: AppRequest,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const { dryRun } = parseQuery(c, bodyQuery)
  const body = await readJsonBody(context, c)
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  return parseInput(schema, isObject && dryRun ? { ...body, dryRun } : body, 'body')
}

/** Errors: invalid_request, naming the field. */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  whole: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = unknown ?? (issue.path.join('.') || whole)
  throw invalidRequest(field, `${field}: ${reasonOf(issue, input)}`)
}

function reasonOf({ code, path, message }: z.core.$ZodIssue, input: unknown): string {
  if (code === 'unrecognized_keys') return 'unknown field'
  const given = path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown>)[key],
    input,
  )
  if (code === 'too_small' && given === '') return 'must not be empty'
  return code === 'invalid_type' && given === undefined ? 'is required' : message
}

/** Parses a number in the path of a route, such as `{run}`. Errors: invalid_request, naming
 *  `field`. */
export function numberParameter(c: AppRequest, name: string, field = name): number {
  return parsePositiveInteger(c.req.param(name) ?? '', field)
}

/** Parses a digest in its wire form. Errors: invalid_request. */
export function digestField(text: string, field: string): Digest {
  const digest = parseWireDigest(text)
  if (digest !== undefined) return digest
  const reason = `${field} must be sha256: followed by 64 lower-case hex digits`
  throw invalidRequest(field, reason)
}

/** Parses the `{owner}/{repo}` of a route. Errors: invalid_name. */
export function projectParameter(c: AppRequest): ProjectName {
  return parseProjectPath(c.req.param('owner') ?? '', c.req.param('repo') ?? '')
}

/** Returns the decoded rest of the path after that many segments. Segments are counted rather
 *  than measured, since an escaped segment may be longer than its value. Errors: invalid_request
 *  (malformed escape). */
export function restOfPath(c: AppRequest, segments: number): string {
  const [, ...all] = new URL(c.req.url).pathname.split('/')
  return decodePath(all.slice(segments).join('/'))
}

/** Errors: invalid_request (malformed escape). */
export function decodePath(escaped: string): string {
  try {
    return decodeURIComponent(escaped)
  } catch {
    throw invalidRequest('path', 'the path has a malformed percent escape')
  }
}

/** Cuts `found`, which was requested with a limit of `limit + 1`, to one page. `last` is the last
 *  item of the page, or undefined when no other page follows. */
export function cutPage<Item>(
  found: Item[],
  limit: number,
): { items: Item[]; last: Item | undefined } {
  const items = found.slice(0, limit)
  return { items, last: found.length > limit ? items.at(-1) : undefined }
}

/** Formats an opaque cursor. */
export function formatCursor(position: number | string | number[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** A number in a cursor. */
export const position: z.ZodInt = z.int().min(0)

/** Errors: invalid_request for text that is not a cursor made of a number. */
export function parseOffsetCursor(cursor: string | undefined): number | undefined {
  return cursor === undefined ? undefined : parseCursor(cursor, position)
}

/** Errors: invalid_request for text that is not a cursor of this form. */
export function parseCursor<Position>(cursor: string, form: z.ZodType<Position>): Position {
  const parsed = form.safeParse(decodeCursor(cursor))
  if (parsed.success) return parsed.data
  throw invalidRequest('cursor', 'the cursor was not made by this server')
}

/** Undefined, which is no position, for text that is not a cursor. */
function decodeCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** Returns the cursor of the page that begins at `next`, and sets the `Link` header (RFC 8288) to
 *  the same request with it. At the end of the list, where `next` is null: null, and no header. */
export function linkNext(
  context: Pick<AppContext, 'config'>,
  c: AppRequest,
  next: Parameters<typeof formatCursor>[0] | null,
): string | null {
  if (next === null) return null
  const cursor = formatCursor(next)
  const url = new URL(c.req.url)
  url.searchParams.set('cursor', cursor)
  c.header('link', `<${publicOrigin(context, c)}${url.pathname}${url.search}>; rel="next"`)
  return cursor
}
