/** What a job and each of its instances are called: a key that nothing else in the run has, and a name to be shown. */
import type { Engine } from './engine.ts'
import type { JobReference } from './events.ts'
import type { Scope } from './expression.ts'
import type { PlannedJob } from './plan.ts'
import { evaluateText, sourceOf } from './template.ts'
import type { Job } from './workflow-file.ts'

/** Of a job as a whole, before its name can be evaluated. */
export function referenceOf(job: Job): JobReference {
  return { key: job.id, id: job.id, name: job.name === undefined ? job.id : sourceOf(job.name) }
}

/** `suffix` tells the instance's combination; null without a matrix. Errors: EvaluationError. */
export async function nameInstance(
  { engine, planned, ids }: { engine: Engine; planned: PlannedJob; ids: ReadonlySet<string> },
  { suffix, index }: { suffix: string | null; index: number },
  scope: Scope,
): Promise<JobReference> {
  const { masker } = engine
  const { id, name } = planned.job
  const key = suffix === null ? id : instanceKey(id, index, ids)
  const text = name === undefined ? id : await evaluateText(name, scope)
  // A name that does not tell the combinations apart gets their values behind it.
  const isCommon = name === undefined || text === sourceOf(name)
  return { key, id, name: masker.mask(isCommon ? text + (suffix ?? '') : text) }
}

/** `build-1`, unless another job is called so: two jobs with one key would share a directory. No id begins with a digit. */
function instanceKey(id: string, index: number, ids: ReadonlySet<string>): string {
  const key = `${id}-${index + 1}`
  return ids.has(key) ? `${index + 1}-${id}` : key
}
