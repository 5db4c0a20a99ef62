/** Names of a job and its instances: a key that is unique in the run, and a display name. Both of a
 *  job in a called workflow start with those of the job that calls it. */
import { createHash } from 'node:crypto'
import type { Engine } from '../engine.ts'
import type { JobReference } from '../events.ts'
import type { Scope } from '../expression/expression.ts'
import type { PlannedJob } from '../file/plan.ts'
import { evaluateText, sourceOf } from '../file/template.ts'
import type { Job } from '../file/workflow-file.ts'

/** Reference of a job as a whole, before its name can be evaluated. */
export function referenceOf({ caller }: Engine, { id, name }: Job): JobReference {
  const source = name === undefined ? '' : sourceOf(name)
  const shown = source === '' ? id : source
  return { key: keyIn(caller, id), id, name: nameIn(caller, shown) }
}

/** Ids have no dots, so keys of different workflows differ. A key that is too long for a directory
 *  or the run's record becomes its hash. */
function keyIn(caller: JobReference | undefined, key: string): string {
  if (caller === undefined) return key
  const full = `${caller.key}.${key}`
  return full.length <= 255 ? full : createHash('sha256').update(full).digest('hex')
}

/** `caller / job`, as on GitHub. */
function nameIn(caller: JobReference | undefined, name: string): string {
  return caller === undefined ? name : `${caller.name} / ${name}`
}

/** Names one instance. `suffix` shows its matrix combination; null without a matrix. Errors:
 *  EvaluationError. */
export async function nameInstance(
  { engine, planned, ids }: { engine: Engine; planned: PlannedJob; ids: ReadonlySet<string> },
  { suffix, index }: { suffix: string | null; index: number },
  scope: Scope,
): Promise<JobReference> {
  const { caller, masker } = engine
  const { id, name } = planned.job
  const key = suffix === null ? id : instanceKey(id, index, ids)
  const text = name === undefined ? id : await evaluateText(name, scope)
  // A name without expressions is the same for all combinations, so their values are appended.
  const isShared = name === undefined || text === sourceOf(name)
  const shown = masker.mask((text === '' ? id : text) + (isShared ? (suffix ?? '') : ''))
  return { key: keyIn(caller, key), id, name: nameIn(caller, shown) }
}

/** `build-1`, or `1-build` when another job is called `build-1`: two jobs with the same key would
 *  share a directory. No job id starts with a digit. */
function instanceKey(id: string, index: number, ids: ReadonlySet<string>): string {
  const key = `${id}-${index + 1}`
  return ids.has(key) ? `${index + 1}-${id}` : key
}
