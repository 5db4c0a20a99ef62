/** What a job and each of its instances are called: a key that nothing else in the run has, and a name to be shown. */
import type { Engine } from './engine.ts'
import type { JobReference } from './events.ts'
import type { Scope } from './expression.ts'
import { matrixSuffix, type Combination } from './matrix.ts'
import type { PlannedJob } from './plan.ts'
import { evaluateText, sourceOf } from './template.ts'
import type { Job } from './workflow-file.ts'

/** Of a job as a whole, before its name can be evaluated. */
export function referenceOf(job: Job): JobReference {
  return { key: job.id, id: job.id, name: job.name === undefined ? job.id : sourceOf(job.name) }
}

/** Errors: EvaluationError. */
export async function nameInstance(
  { engine, planned, ids }: { engine: Engine; planned: PlannedJob; ids: ReadonlySet<string> },
  { matrix, index }: { matrix: Combination | null; index: number },
  scope: Scope,
): Promise<JobReference> {
  const { masker } = engine
  const { id, name } = planned.job
  const suffix = matrix === null ? '' : matrixSuffix(matrix)
  const key = matrix === null ? id : instanceKey(id, index, ids)
  if (name === undefined) return { key, id, name: masker.mask(id + suffix) }
  const text = await evaluateText(name, scope)
  // A name that does not tell the combinations apart gets their values behind it.
  return {
    key,
    id,
    name: masker.mask(matrix === null || text !== sourceOf(name) ? text : text + suffix),
  }
}

/** `build-1`, unless another job is called so: two jobs with one key would share a directory. No id begins with a digit. */
function instanceKey(id: string, index: number, ids: ReadonlySet<string>): string {
  const key = `${id}-${index + 1}`
  return ids.has(key) ? `${index + 1}-${id}` : key
}
