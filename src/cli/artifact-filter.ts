/** Flags that narrow down artifacts, as the commands that go through many have them. */
import type { ListOptions } from '../client/artifacts.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { parseDurationMs } from '../core/units.ts'
import { type FlagValues, UsageError } from './arguments.ts'

export const filterFlags = {
  run: { value: 'ID', help: 'only of this run' },
  name: { value: 'NAME', help: 'only of exactly this name' },
  branch: { value: 'B', help: 'only of runs on this branch' },
  workflow: { value: 'W', help: 'only of runs of this workflow' },
  since: { value: 'TIME', help: 'only uploaded since then, such as 7d or 2026-11-29' },
} as const

/** As the server is asked. Errors: UsageError, invalid_request. */
export function filterOf({
  run,
  name,
  branch,
  workflow,
  since,
}: FlagValues<typeof filterFlags>): Pick<ListOptions, keyof typeof filterFlags> {
  return {
    ...(run !== undefined && { run: parsePositiveInteger(run, '--run') }),
    ...(name !== undefined && { name }),
    ...(branch !== undefined && { branch }),
    ...(workflow !== undefined && { workflow }),
    ...(since !== undefined && { since: parseSince(since) }),
  }
}

/** By the clock of this machine, and in its zone where none is given. Errors: UsageError. */
export function parseSince(text: string): string {
  const ageMs = parseDurationMs(text)
  const [, day] = /^(\d{4}-\d{2}-\d{2})(?:[T ].+)?$/.exec(text) ?? []
  // Of a day alone `Date` would take the midnight of UTC.
  const written = day === text ? `${text}T00:00` : text
  const at = new Date(
    ageMs !== undefined ? Date.now() - ageMs : day === undefined ? Number.NaN : written,
  )
  if (Number.isNaN(at.getTime()))
    throw new UsageError(`--since must be such as 7d or 2026-11-29, got ${JSON.stringify(text)}`)
  return at.toISOString()
}
