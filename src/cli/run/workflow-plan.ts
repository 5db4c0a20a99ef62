/** Formats a workflow that is about to run. */
import { basename } from 'node:path'
import { describeStep, type PlannedJob, type PlannedWorkflow } from '../../workflow/file/plan.ts'
import type { IgnoredKey } from '../../workflow/file/workflow-file.ts'

/** One line, as most workflows have some of these keys. */
export function formatIgnored(planned: PlannedWorkflow): string {
  const { file } = planned.workflow
  const keys = new Set(
    ignoredIn(planned).map(({ key, position }) =>
      position.file === file
        ? `${key} (line ${position.line})`
        : `${key} (${basename(position.file)}, line ${position.line})`,
    ),
  )
  return keys.size === 0 ? '' : `ignored keys: ${[...keys].join(', ')}\n`
}

function ignoredIn({ workflow, jobs }: PlannedWorkflow): IgnoredKey[] {
  const inJobs = jobs.flatMap(({ job, called }) => [
    ...job.ignored,
    // Concurrency is ignored between runs only, so not that of a called workflow.
    ...(called === undefined ? [] : ignoredIn(called)).filter(({ key }) => key !== 'concurrency'),
  ])
  return [...workflow.ignored, ...inJobs]
}

/** The output of `--dry-run`: each job with its steps, or with the jobs that it calls. */
export function formatPlan(jobs: PlannedJob[]): string {
  return jobs
    .flatMap(linesOf)
    .map((line) => `${line}\n`)
    .join('')
}

/** The output of `--dry-run --json`. `skipped` is the reason. */
interface PlanMessage {
  id: string
  needs: string[]
  calls?: string
  skipped?: string
  steps: { name: string; skipped?: string }[]
  /** Those of the workflow that it calls. */
  jobs?: PlanMessage[]
}

export function planMessage({ job, steps, called, skipReason }: PlannedJob): PlanMessage {
  const skipped = (reason: string | undefined): { skipped?: string } =>
    reason === undefined ? {} : { skipped: reason }
  return {
    id: job.id,
    needs: job.needs,
    ...(job.call !== undefined && { calls: job.call.ref.value }),
    ...skipped(skipReason),
    steps: steps.map((each) => ({ name: describeStep(each.step), ...skipped(each.skipReason) })),
    ...(called !== undefined && { jobs: called.jobs.map(planMessage) }),
  }
}

function linesOf({ job, steps, called, skipReason }: PlannedJob): string[] {
  const needs = job.needs.length === 0 ? '' : `  needs ${job.needs.join(', ')}`
  const calls = job.call === undefined ? '' : `  calls ${job.call.ref.value}`
  const within = [
    ...steps.map(({ step, skipReason: reason }) => describeStep(step) + formatSkip(reason)),
    ...(called?.jobs ?? []).flatMap(linesOf),
  ]
  const title = `${job.id}${calls}${needs}${formatSkip(skipReason)}`
  return [title, ...within.map((line) => `  ${line}`)]
}

function formatSkip(reason: string | undefined): string {
  return reason === undefined ? '' : `  (skipped: ${reason})`
}
