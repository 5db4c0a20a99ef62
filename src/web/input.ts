/** What visitors send to pages: forms, days, page numbers. */
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { parsePositiveInteger } from '../core/run.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import { readBytesBody } from '../http/request-body.ts'

/** Fields of a posted form. The check of its origin is `requirePrincipal`'s. Errors: too_large. */
export async function readForm(context: AppContext, c: AppRequest): Promise<URLSearchParams> {
  const limit = { bytesMax: limits.jsonBodyBytesMax, limit: 'bytes of a form', setting: null }
  return new URLSearchParams((await readBytesBody(context, c, limit)).toString('utf8'))
}

/** Errors: invalid_request. */
export function pageOfQuery(c: AppRequest): number {
  return parsePositiveInteger(c.req.query('page') ?? '1', 'page')
}

/** Errors: invalid_request. */
export function daysOf(text: string | null): number {
  if (text === null || !/^\d{1,5}$/.test(text)) {
    throw storeError('invalid_request', 'days must be a whole number', { field: 'days' })
  }
  return Number(text)
}
