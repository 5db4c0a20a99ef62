/** How jobs end: the results of their instances make up the result and outputs of a job, those of
 *  the jobs the conclusion of a workflow. */
import type { Conclusion } from '../../core/run/run-record.ts'
import type { JobResult } from './job.ts'
import type { PlannedJob } from '../file/plan.ts'

/** A job with all its instances. */
export interface JobOutcome {
  id: string
  /** Value of `needs.<id>.result`: a failure tolerated by `continue-on-error` counts as success. */
  result: Conclusion
  outputs: Record<string, string>
  /** Those of a job that calls a workflow are the instances of the called jobs. */
  instances: JobResult[]
  /** Results of all jobs that this one needs, directly or indirectly, by id. */
  ancestors: Map<string, Conclusion>
}

/** An instance that has ended. */
export interface EndedInstance {
  result: JobResult
  /** The instance itself, or the instances of the workflow that it called. */
  instances: JobResult[]
}

export function endedAs(result: JobResult): EndedInstance {
  return { result, instances: [result] }
}

const severity: Conclusion[] = ['skipped', 'success', 'cancelled', 'failure']

/** Combines the instances of a job. `tolerated` holds the keys of failed ones that count as
 *  successes. */
export function combineInstances(
  { planned: { job, called }, ancestors }: Pick<JobOutcome, 'ancestors'> & { planned: PlannedJob },
  ended: EndedInstance[],
  tolerated: ReadonlySet<string>,
): JobOutcome {
  const results = ended.map(({ result: { reference, conclusion } }) =>
    tolerated.has(reference.key) ? 'success' : conclusion,
  )
  const result =
    results.toSorted((a, b) => severity.indexOf(b) - severity.indexOf(a))[0] ?? 'skipped'
  const outputs: Record<string, string> = {}
  // When several instances set the same output, the last to finish with a value wins. Of called
  // workflows, successful ones precede all others.
  const rank = ({ conclusion }: JobResult): number =>
    called !== undefined && conclusion === 'success' ? 1 : 0
  const inOrder = ended
    .map((each) => each.result)
    .toSorted((a, b) => rank(a) - rank(b) || a.finishedAt - b.finishedAt)
  for (const instance of inOrder) {
    for (const [name, value] of Object.entries(instance.outputs)) {
      if (value !== '' || !Object.hasOwn(outputs, name)) outputs[name] = value
    }
  }
  const instances = ended.flatMap((each) => each.instances)
  return { id: job.id, result, outputs, instances, ancestors }
}

/** Conclusion of a workflow whose jobs have ended. */
export function concludeJobs(jobs: JobOutcome[], cancel: AbortSignal): Conclusion {
  const results = jobs.map(({ result }) => result)
  if (results.includes('failure')) return 'failure'
  if (cancel.aborted || results.includes('cancelled')) return 'cancelled'
  return results.includes('success') ? 'success' : 'skipped'
}
