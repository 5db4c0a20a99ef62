/** Runs the jobs in the order of their needs. Every job awaits the promises of the jobs it needs,
 *  so it starts in the same turn in which the last of them ends; nothing polls. */
import pLimit from 'p-limit'
import { asError } from '../../core/errors.ts'
import type { Conclusion } from '../../core/run/run-record.ts'
import { openCall, readCallOutputs, workflowScope } from './call.ts'
import { readGroup } from './concurrency.ts'
import type { Engine } from '../engine.ts'
import type { JobReference } from '../events.ts'
import type { Json, Scope } from '../expression/expression.ts'
import { annotateJob, runJobInstance, type JobInstance, type JobResult } from './job.ts'
import {
  combineInstances,
  concludeJobs,
  endedAs,
  type EndedInstance,
  type JobOutcome,
} from './job-outcome.ts'
import { nameInstance, referenceOf } from './job-reference.ts'
import type { PlannedJob, PlannedWorkflow } from '../file/plan.ts'
import { EvaluationError } from '../file/problem.ts'
import { readStrategy } from '../file/strategy.ts'
import { evaluateBoolean, evaluateCondition } from '../file/template.ts'

/** Runs all jobs of a workflow. Outcomes are in the order of the plan. */
export async function runJobs(engine: Engine, jobs: PlannedJob[]): Promise<JobOutcome[]> {
  const outcomes = new Map<string, Promise<JobOutcome>>()
  const ids = new Set(jobs.map(({ job }) => job.id))
  for (const planned of jobs) {
    const needs = planned.job.needs.map((need) => {
      const outcome = outcomes.get(need)
      if (outcome === undefined)
        throw new RangeError(`${planned.job.id} is planned before ${need}, which it needs`)
      return outcome
    })
    outcomes.set(
      planned.job.id,
      Promise.all(needs).then((needed) => runJob({ engine, planned, ids }, needed)),
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
  /** Ids of all jobs of the workflow. */
  ids: ReadonlySet<string>
  scope: Scope
  ancestors: Map<string, Conclusion>
}

async function runJob(
  given: Pick<JobSetting, 'engine' | 'planned' | 'ids'>,
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
  const setting: JobSetting = { ...given, scope, ancestors }
  const reference = referenceOf(engine, planned.job)
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
  needs: { [key: string]: Json },
  ancestors: Map<string, Conclusion>,
): Scope {
  const resultsOf = (names: string[]): Conclusion[] =>
    names.length === 0
      ? [...ancestors.values()]
      : names.map((name) => ancestors.get(name) ?? 'skipped')
  return {
    contexts: { ...workflowScope(engine).contexts, needs },
    status: {
      success: (names) =>
        !engine.cancel.aborted && resultsOf(names).every((result) => result === 'success'),
      failure: (names) => !engine.cancel.aborted && resultsOf(names).includes('failure'),
      cancelled: () => engine.cancel.aborted,
    },
  }
}

async function runInstances(setting: JobSetting): Promise<JobOutcome> {
  const { engine, planned, scope } = setting
  const strategy = await readStrategy(planned.job.strategy, scope)
  // A name or group that cannot be evaluated fails the job before any instance runs.
  const instances = await Promise.all(
    strategy.combinations.map(async (entry, index) => {
      const matrix = entry?.values ?? null
      const contextOfStrategy = {
        'fail-fast': strategy.failFast,
        'job-index': index,
        'job-total': strategy.combinations.length,
        'max-parallel': strategy.instancesMax,
      }
      const contexts = { ...scope.contexts, matrix, strategy: contextOfStrategy }
      const expressions = { ...scope, contexts }
      const suffix = entry?.suffix ?? null
      const reference = await nameInstance(setting, { suffix, index }, expressions)
      const group = await readGroup(planned.job.concurrency, expressions)
      const tolerates = await evaluateBoolean(planned.job.continueOnError, expressions)
      return { reference, matrix, expressions, group, tolerates }
    }),
  )
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
  const runs = instances.map(async ({ group, tolerates, ...own }) => {
    const { reference } = own
    const instance: JobInstance = { planned, cancel, ...own }
    const run = async (held: Engine): Promise<EndedInstance> => {
      if (cancel.aborted || engine.kill.aborted)
        return endedAs(unstarted(engine, reference, 'cancelled'))
      const ended =
        planned.called === undefined
          ? endedAs(await runJobInstance(engine, instance))
          : await runCall(held, planned.called, instance)
      if (ended.result.conclusion === 'failure') {
        if (tolerates) tolerated.add(reference.key)
        else if (strategy.failFast) failing.abort()
      }
      return ended
    }
    // Called jobs take slots of their own.
    const inSlot = async (held: Engine): Promise<EndedInstance> =>
      planned.called === undefined ? await engine.slots(run, held) : await run(held)
    // Take the slots of the matrix and of the group first: waiting for them must not hold a slot of
    // the run.
    return await matrixLimit(async () => await inGroup(engine, instance, group, inSlot))
  })
  const settled = await Promise.allSettled(runs)
  engine.cancel.removeEventListener('abort', onCancel)
  const ended = settled.map((run) => {
    if (run.status === 'rejected') throw run.reason
    return run.value
  })
  return combineInstances(setting, ended, tolerated)
}

/** Runs the workflow that an instance calls. An error that prevents it fails only this instance. */
async function runCall(
  engine: Engine,
  called: PlannedWorkflow,
  instance: JobInstance,
): Promise<EndedInstance> {
  const { workflow, jobs } = called
  const { reference, cancel } = instance
  let instances: JobResult[] = []
  try {
    const inner = await openCall(engine, called, instance)
    const group = await readGroup(workflow.concurrency, workflowScope(inner))
    return await inGroup(inner, instance, group, async (held) => {
      const outcomes = await runJobs(held, jobs)
      instances = outcomes.flatMap((outcome) => outcome.instances)
      const conclusion = concludeJobs(outcomes, cancel)
      const outputs = await readCallOutputs(inner, workflow, outcomes)
      const result = { reference, conclusion, outputs, finishedAt: engine.now() }
      return { result, instances }
    })
  } catch (error) {
    annotateJob(engine, reference, 'error', asError(error).message)
    const result = unstarted(engine, reference, 'failure')
    return { result, instances: [...instances, result] }
  }
}

/** Runs an instance, or the workflow it calls, when its group is free; `run` gets the engine of
 *  what runs under the group. Cancels the instance when the group never becomes free, with GitHub's
 *  message. */
async function inGroup(
  engine: Engine,
  { reference }: JobInstance,
  group: string | undefined,
  run: (engine: Engine) => Promise<EndedInstance>,
): Promise<EndedInstance> {
  if (group === undefined) return await run(engine)
  const { groups, heldGroups } = engine
  const holder = groups.findDeadlock(group, heldGroups)
  if (holder === undefined) {
    const held = new Map([...heldGroups, [group, reference.name]])
    return await groups.run(
      group,
      heldGroups,
      async () => await run({ ...engine, heldGroups: held }),
    )
  }
  const between = `between '${holder}' and '${reference.name}'`
  const message = `Canceling since a deadlock for concurrency group '${group}' was detected ${between}`
  annotateJob(engine, reference, 'error', message)
  return endedAs(unstarted(engine, reference, 'cancelled'))
}

function finishUnstarted(setting: JobSetting, conclusion: Conclusion): JobOutcome {
  const reference = referenceOf(setting.engine, setting.planned.job)
  const instance = unstarted(setting.engine, reference, conclusion)
  return combineInstances(setting, [endedAs(instance)], new Set())
}

function unstarted(engine: Engine, reference: JobReference, conclusion: Conclusion): JobResult {
  engine.emit({ type: 'job-finished', job: reference, conclusion, durationMs: 0, outputs: {} })
  return { reference, conclusion, outputs: {}, finishedAt: engine.now() }
}
