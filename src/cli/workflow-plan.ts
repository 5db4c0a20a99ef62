/** Formats a workflow that is about to run. */
import { describeStep, type PlannedJob } from '../workflow/plan.ts'
import type { IgnoredKey } from '../workflow/workflow-file.ts'

/** One line, as most workflows have some of these keys. */
export function formatIgnored(parts: { ignored: IgnoredKey[] }[]): string {
  const keys = parts.flatMap(({ ignored }) =>
    ignored.map(({ key, position }) => `${key} (line ${position.line})`),
  )
  return keys.length === 0 ? '' : `ignored keys: ${keys.join(', ')}\n`
}

/** The output of `--dry-run`: each job with its steps. */
export function formatPlan(jobs: PlannedJob[]): string {
  return jobs
    .map(({ job, steps, skipReason }) => {
      const needs = job.needs.length === 0 ? '' : `  needs ${job.needs.join(', ')}`
      const lines = steps.map(({ step, skipReason: reason }) =>
        reason === undefined
          ? `  ${describeStep(step)}`
          : `  ${describeStep(step)}  (skipped: ${reason})`,
      )
      const left = skipReason === undefined ? '' : `  (skipped: ${skipReason})`
      return `${[`${job.id}${needs}${left}`, ...lines].join('\n')}\n`
    })
    .join('')
}
