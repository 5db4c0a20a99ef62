/** Names of a job and its instances: a key that is unique in the run, and a display name. */
import type { Engine } from './engine.ts'
import type { JobReference } from './events.ts'
import type { Scope } from './expression.ts'
import type { PlannedJob } from './plan.ts'
import { evaluateText, sourceOf } from './template.ts'
import type { Job } from './workflow-file.ts'

/** Reference of a job as a whole, before its name can be evaluated. */
export function referenceOf(job: Job): JobReference {
  return { key: job.id, id: job.id, name: job.name === undefined ? job.id : sourceOf(job.name) }
}

/** Names one instance. `suffix` shows its matrix combination; null without a matrix. Errors:
 *  EvaluationError. */
export async function nameInstance(
  { engine, planned, ids }: { engine: Engine; planned: PlannedJob; ids: ReadonlySet<string> },
  { suffix, index }: { suffix: string | null; index: number },
  scope: Scope,
): Promise<JobReference> {
  const { masker } = engine
  const { id, name } = planned.job
  const key = suffix === null ? id : instanceKey(id, index, ids)
  const text = name === undefined ? id : await evaluateText(name, scope)
  // A name without expressions is the same for all combinations, so their values are appended.
  const isShared = name === undefined || text === sourceOf(name)
  return { key, id, name: masker.mask(isShared ? text + (suffix ?? '') : text) }
}

/** `build-1`, or `1-build` when another job is called `build-1`: two jobs with the same key would
 *  share a directory. No job id starts with a digit. */
function instanceKey(id: string, index: number, ids: ReadonlySet<string>): string {
  const key = `${id}-${index + 1}`
  return ids.has(key) ? `${index + 1}-${id}` : key
}
