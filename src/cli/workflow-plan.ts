/** How a workflow that is about to run is shown. */
import { describeStep, type PlannedJob } from '../workflow/plan.ts'
import type { IgnoredKey } from '../workflow/workflow-file.ts'

/** One line, as most workflows have some of these keys. */
export function formatIgnored(parts: { ignored: IgnoredKey[] }[]): string {
  const keys = parts.flatMap(({ ignored }) =>
    ignored.map(({ key, position }) => `${key} (line ${position.line})`),
  )
  return keys.length === 0 ? '' : `without effect here: ${keys.join(', ')}\n`
}

/** What `--dry-run` shows: each job with its steps. */
export function formatPlan(jobs: PlannedJob[]): string {
  return jobs
    .map(({ job, steps, skipReason }) => {
      const needs = job.needs.length === 0 ? '' : `  needs ${job.needs.join(', ')}`
      const lines = steps.map(({ step, skipReason: reason }) =>
        reason === undefined
          ? `  ${describeStep(step)}`
          : `  ${describeStep(step)}  (left out: ${reason})`,
      )
      const left = skipReason === undefined ? '' : `  (left out: ${skipReason})`
      return `${[`${job.id}${needs}${left}`, ...lines].join('\n')}\n`
    })
    .join('')
}
