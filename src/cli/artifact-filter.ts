/** Flags that filter artifacts, shared by the commands that list or search them. */
import type { ListOptions } from '../client/artifacts.ts'
import { parsePositiveInteger } from '../core/run/run.ts'
import { parseDurationMs } from '../core/units.ts'
import { filled, type FlagValues, UsageError } from './arguments.ts'

export const filterFlags = {
  run: { value: 'ID', read: parsePositiveInteger, help: 'only artifacts of this run' },
  name: { value: 'NAME', read: filled, help: 'only artifacts with exactly this name' },
  branch: { value: 'B', read: filled, help: 'only artifacts of runs on this branch' },
  workflow: { value: 'W', read: filled, help: 'only artifacts of runs of this workflow' },
  'pull-request': {
    value: 'N',
    read: parsePositiveInteger,
    help: 'only artifacts of this pull request',
  },
  actor: { value: 'NAME', read: filled, help: 'only artifacts of runs that this user started' },
  since: {
    value: 'TIME',
    read: parseSince,
    help: 'only artifacts uploaded since then, such as 7d or 2026-11-29',
  },
} as const

/** Converts the flags to query parameters. */
export function filterOf({
  run,
  name,
  branch,
  workflow,
  'pull-request': pullRequest,
  actor,
  since,
}: FlagValues<typeof filterFlags>): Omit<ListOptions, 'project' | 'state' | 'sort' | 'signal'> {
  return { run, name, branch, workflow, pullRequest, actor, since }
}

/** Uses this machine's clock, and its time zone when the text has none. Errors: UsageError. */
export function parseSince(text: string, name: string): string {
  const ageMs = parseDurationMs(text)
  const [, day] = /^(\d{4}-\d{2}-\d{2})(?:[T ].+)?$/.exec(text) ?? []
  // `Date` takes a bare day as midnight UTC.
  const written = day === text ? `${text}T00:00` : text
  const at = new Date(
    ageMs !== undefined
      ? Math.max(0, Date.now() - ageMs)
      : day === undefined
        ? Number.NaN
        : written,
  )
  if (Number.isNaN(at.getTime()))
    throw new UsageError(
      `${name} must be a duration or date such as 7d or 2026-11-29, got ${JSON.stringify(text)}`,
    )
  return at.toISOString()
}
