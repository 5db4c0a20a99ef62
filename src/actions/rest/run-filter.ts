/** Parses the run filters of a query of GitHub's REST API. */
import { invalidRequest } from '../../core/errors.ts'
import { dayMs } from '../../core/units.ts'
import type { AppRequest } from '../../http/context.ts'
import type { RunFilter, RunState } from '../../metadata/metadata.ts'

const states: readonly RunState[] = [
  'queued',
  'in_progress',
  'completed',
  'success',
  'failure',
  'cancelled',
  'skipped',
  'stale',
]
/** States of GitHub that no run has here. */
const foreignStates: readonly string[] = [
  'action_required',
  'neutral',
  'pending',
  'requested',
  'startup_failure',
  'timed_out',
  'waiting',
]

/** Returns undefined when no run can match. Errors: invalid_request. */
export function runFilterOf(c: AppRequest, now: number): RunFilter | undefined {
  const { actor, branch, event, head_sha: headSha, status, created } = c.req.query()
  // Ignoring it would return runs that were not meant.
  if (c.req.query('check_suite_id') !== undefined)
    throw invalidRequest('check_suite_id', 'filtering runs by check_suite_id is not supported')
  const state = states.find((each) => each === status)
  if (status !== undefined && state === undefined) {
    if (foreignStates.includes(status)) return undefined
    throw invalidRequest('status', `there is no status ${JSON.stringify(status)}`)
  }
  return {
    ...(actor !== undefined && { actor }),
    ...(branch !== undefined && { branch }),
    ...(event !== undefined && { event }),
    ...(headSha !== undefined && { headSha }),
    ...(state !== undefined && { state: { is: state, now } }),
    ...(created !== undefined && createdWithin(created)),
  }
}

type Creation = Pick<RunFilter, 'createdSince' | 'createdBefore'>

/** GitHub's "Query for dates": `2026-11-29`, `>=2026-11-29`, `2026-11-01..2026-11-29`,
 *  `2026-11-29T10:00:00Z..*`. Errors: invalid_request. */
function createdWithin(text: string): Creation {
  const [first = '', last] = text.split(/\.\.(.*)/s)
  if (last !== undefined) {
    return {
      ...(first !== '*' && { createdSince: spanOf(first).from }),
      ...(last !== '*' && { createdBefore: spanOf(last).to }),
    }
  }
  const [, relation, date = ''] = /^([<>]=?)?(.*)$/s.exec(text)!
  const { from, to } = spanOf(date)
  switch (relation) {
    case '>':
      return { createdSince: to }
    case '>=':
      return { createdSince: from }
    case '<':
      return { createdBefore: from }
    case '<=':
      return { createdBefore: to }
    default:
      return { createdSince: from, createdBefore: to }
  }
}

/** The day or second that a date denotes. */
function spanOf(date: string): { from: number; to: number } {
  const parts = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?$/.exec(date)
  const from = Date.parse(date)
  if (parts === null || Number.isNaN(from)) {
    throw invalidRequest(
      'created',
      `${JSON.stringify(date)} is not a date such as 2026-11-29 or 2026-11-29T10:00:00Z`,
    )
  }
  return { from, to: from + (parts[1] === undefined ? dayMs : 1000) }
}
