/** Parses what visitors send to pages: forms, days, page numbers, ids. */
import { invalidRequest } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { parsePositiveInteger } from '../core/run/run.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import { fieldsLimit, readBytesBody } from '../http/body/request-body.ts'

/** Reads the fields of a posted form. `requirePrincipal` checks its origin. Errors: too_large. */
export async function readForm(context: AppContext, c: AppRequest): Promise<URLSearchParams> {
  const bytes = await readBytesBody(context, c, fieldsLimit(c, 'bytes of a form'))
  return new URLSearchParams(bytes.toString('utf8'))
}

/** A positive number in the query; undefined if it is absent. Errors: invalid_request. */
export function numberOfQuery(c: AppRequest, name: string): number | undefined {
  const text = c.req.query(name)
  return text === undefined ? undefined : parsePositiveInteger(text, name)
}

/** Errors: invalid_request. */
export function daysOf(text: string | null): number {
  if (text === null || !/^\d{1,5}$/.test(text)) {
    throw invalidRequest('days', 'days must be a whole number')
  }
  return Number(text)
}

/** Writes many ids as one form field: the first id, then the difference of each to the one
 *  before. One field per id would make a page with ten thousand ids too large. */
export function formatIds(ids: readonly number[]): string {
  return ids.map((id, index) => id - (ids[index - 1] ?? 0)).join(',')
}

/** Reads at most one id more than a form may have. Errors: invalid_request. */
export function parseIds(text: string): number[] {
  let last = 0
  return text
    .split(',', limits.bulkDeleteMax + 1)
    .map((step) => (last += parsePositiveInteger(step, 'ids')))
}
