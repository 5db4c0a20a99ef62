/** Runs the jobs in the order of their needs. Every job awaits the promises of the jobs it needs,
 *  so it starts in the same turn in which the last of them ends; nothing polls. */
import pLimit, { type LimitFunction } from 'p-limit'
import type { Conclusion } from '../core/run-record.ts'
import type { Engine } from './engine.ts'
import type { JobReference } from './events.ts'
import { textOf, type Json, type Scope } from './expression.ts'
import { annotateJob, runJobInstance, type JobInstance, type JobResult } from './job.ts'
import { nameInstance, referenceOf } from './job-reference.ts'
import type { Combination } from './matrix.ts'
import type { PlannedJob } from './plan.ts'
import { EvaluationError } from './problem.ts'
import { readStrategy } from './strategy.ts'
import { evaluateBoolean, evaluateCondition, evaluateTemplate } from './template.ts'

/** A job with all its instances. */
export interface JobOutcome {
  id: string
  /** Value of `needs.<id>.result`: a failure tolerated by `continue-on-error` counts as success. */
  result: Conclusion
  outputs: Record<string, string>
  instances: JobResult[]
  /** Results of all jobs that this one needs, directly or indirectly, by id. */
  ancestors: Map<string, Conclusion>
}

/** Runs all jobs, at most `jobsMax` instances at a time. Outcomes are in the order of the plan. */
export async function runJobs(
  engine: Engine,
  jobs: PlannedJob[],
  jobsMax: number,
): Promise<JobOutcome[]> {
  const runLimit = pLimit(jobsMax)
  const outcomes = new Map<string, Promise<JobOutcome>>()
  const ids = new Set(jobs.map(({ job }) => job.id))
  const groups = new Map<string, LimitFunction>()
  for (const planned of jobs) {
    const needs = planned.job.needs.map((need) => {
      const outcome = outcomes.get(need)
      if (outcome === undefined)
        throw new RangeError(`${planned.job.id} is planned before ${need}, which it needs`)
      return outcome
    })
    outcomes.set(
      planned.job.id,
      Promise.all(needs).then((needed) =>
        runJob({ engine, planned, runLimit, ids, groups }, needed),
      ),
    )
  }
  const settled = await Promise.allSettled(outcomes.values())
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

/** State shared by the instances of one job. */
interface JobSetting {
  engine: Engine
  planned: PlannedJob
  runLimit: LimitFunction
  /** Ids of all jobs of the run. */
  ids: ReadonlySet<string>
  /** Changes: one limiter per concurrency group. */
  groups: Map<string, LimitFunction>
  needs: { [key: string]: Json }
  scope: Scope
  ancestors: Map<string, Conclusion>
}

async function runJob(
  given: Pick<JobSetting, 'engine' | 'planned' | 'runLimit' | 'ids' | 'groups'>,
  needed: JobOutcome[],
): Promise<JobOutcome> {
  const { engine, planned } = given
  const ancestors = new Map(
    needed.flatMap((outcome) => [...outcome.ancestors, [outcome.id, outcome.result] as const]),
  )
  const needs = Object.fromEntries(
    needed.map(({ id, result, outputs }) => [id, { result, outputs: { ...outputs } }]),
  )
  const scope = jobExpressions(engine, needs, ancestors)
  const setting: JobSetting = { ...given, needs, scope, ancestors }
  const reference = referenceOf(planned.job)
  if (planned.skipReason !== undefined) {
    annotateJob(engine, reference, 'warning', `skipped: ${planned.skipReason}`)
    return finishUnstarted(setting, 'skipped')
  }
  try {
    if (!(await evaluateCondition(planned.job.condition, scope))) {
      return finishUnstarted(setting, engine.cancel.aborted ? 'cancelled' : 'skipped')
    }
    return await runInstances(setting)
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error
    annotateJob(engine, reference, 'error', error.message)
    return finishUnstarted(setting, 'failure')
  }
}

/** Status functions of a job consider all jobs it needs, indirect ones included: a skipped job
 *  skips everything after it, unless a condition says otherwise. */
function jobExpressions(
  engine: Engine,
  needs: JobSetting['needs'],
  ancestors: Map<string, Conclusion>,
): Scope {
  const resultsOf = (names: string[]): Conclusion[] =>
    names.length === 0
      ? [...ancestors.values()]
      : names.map((name) => ancestors.get(name) ?? 'skipped')
  return {
    contexts: {
      github: engine.githubOfRun,
      vars: { ...engine.vars },
      inputs: engine.inputs,
      needs,
    },
    status: {
      success: (names) =>
        !engine.cancel.aborted && resultsOf(names).every((result) => result === 'success'),
      failure: (names) => !engine.cancel.aborted && resultsOf(names).includes('failure'),
      cancelled: () => engine.cancel.aborted,
    },
  }
}

/** Returns the limiter of the job's concurrency group, one job at a time; undefined without a
 *  group. Only jobs of this run are considered, and none is cancelled in favour of another. Errors:
 *  EvaluationError. */
async function readGroup(
  { planned, groups }: JobSetting,
  scope: Scope,
): Promise<LimitFunction | undefined> {
  const template = planned.job.concurrency
  if (template === undefined) return undefined
  const value = await evaluateTemplate(template, scope)
  const group =
    value !== null && typeof value === 'object' && 'group' in value ? value.group : value
  // Group names are case-insensitive.
  const name = (textOf(group ?? '') ?? '').toLowerCase()
  if (name === '') return undefined
  const limit = groups.get(name) ?? pLimit(1)
  groups.set(name, limit)
  return limit
}

async function runInstances(setting: JobSetting): Promise<JobOutcome> {
  const { engine, planned, scope, runLimit } = setting
  const strategy = await readStrategy(planned.job.strategy, scope)
  // Fail-fast cancels the instances. So does a cancelled run, unless their condition also holds
  // then.
  const failing = new AbortController()
  const cancel = failing.signal
  const onCancel = (): void => {
    evaluateCondition(planned.job.condition, scope).then(
      (holds) => (holds ? undefined : failing.abort()),
      () => failing.abort(),
    )
  }
  // A job that starts in a cancelled run has a condition that allows it, so it is not cancelled.
  if (!engine.cancel.aborted) engine.cancel.addEventListener('abort', onCancel, { once: true })
  const matrixLimit = pLimit(strategy.instancesMax)
  const tolerated = new Set<string>()
  const runs = strategy.combinations.map(async (entry, index) => {
    const matrix = entry?.values ?? null
    const total = strategy.combinations.length
    const context = {
      'fail-fast': strategy.failFast,
      'job-index': index,
      'job-total': total,
      'max-parallel': strategy.instancesMax,
    }
    const expressions = { ...scope, contexts: { ...scope.contexts, matrix, strategy: context } }
    const reference = await nameInstance(
      setting,
      { suffix: entry?.suffix ?? null, index },
      expressions,
    )
    const groupLimit = await readGroup(setting, expressions)
    const tolerates = await evaluateBoolean(planned.job.continueOnError, expressions)
    const instance: JobInstance = {
      planned,
      reference,
      needs: setting.needs,
      matrix,
      strategy: context,
      expressions,
      cancel,
    }
    const inSlot = async (): Promise<JobResult> =>
      await runLimit(async () => {
        if (cancel.aborted || engine.kill.aborted)
          return unstarted(engine, reference, matrix, 'cancelled')
        const result = await runJobInstance(engine, instance)
        if (result.conclusion === 'failure') {
          if (tolerates) tolerated.add(reference.key)
          else if (strategy.failFast) failing.abort()
        }
        return result
      })
    // Take the slots of the matrix and of the group first: waiting for them must not hold a slot of
    // the run.
    return await matrixLimit(
      async () => await (groupLimit === undefined ? inSlot() : groupLimit(inSlot)),
    )
  })
  const settled = await Promise.allSettled(runs)
  engine.cancel.removeEventListener('abort', onCancel)
  const instances = settled.map((run) => {
    if (run.status === 'rejected') throw run.reason
    return run.value
  })
  return outcomeOf(setting, instances, tolerated)
}

const severity: Conclusion[] = ['skipped', 'success', 'cancelled', 'failure']

function outcomeOf(
  setting: JobSetting,
  instances: JobResult[],
  tolerated: ReadonlySet<string>,
): JobOutcome {
  const results = instances.map(({ reference, conclusion }) =>
    tolerated.has(reference.key) ? 'success' : conclusion,
  )
  const result =
    results.toSorted((a, b) => severity.indexOf(b) - severity.indexOf(a))[0] ?? 'skipped'
  const outputs: Record<string, string> = {}
  // When several instances set the same output, the last to finish with a value wins.
  for (const instance of instances.toSorted((a, b) => a.finishedAt - b.finishedAt)) {
    for (const [name, value] of Object.entries(instance.outputs)) {
      if (value !== '' || !(name in outputs)) outputs[name] = value
    }
  }
  return { id: setting.planned.job.id, result, outputs, instances, ancestors: setting.ancestors }
}

function finishUnstarted(setting: JobSetting, conclusion: Conclusion): JobOutcome {
  const reference = referenceOf(setting.planned.job)
  const instance = unstarted(setting.engine, reference, null, conclusion)
  return outcomeOf(setting, [instance], new Set())
}

function unstarted(
  engine: Engine,
  reference: JobReference,
  matrix: Combination | null,
  conclusion: Conclusion,
): JobResult {
  const at = engine.now()
  engine.emit({ type: 'job-finished', job: reference, conclusion, durationMs: 0, outputs: {} })
  return { reference, matrix, conclusion, outputs: {}, steps: [], startedAt: at, finishedAt: at }
}
