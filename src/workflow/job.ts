/** One instance of a job: its workspace, its steps in order, the clean-up of its actions, its outputs. */
import { asError } from '../core/errors.ts'
import { findPre } from './actions/action.ts'
import { bounds } from './bounds.ts'
import type { Engine, JobState, OpenLog, StepResult, StepScope } from './engine.ts'
import type { AnnotationLevel, Conclusion, JobReference, StepReference } from './events.ts'
import type { Json, Scope } from './expression.ts'
import type { Combination } from './matrix.ts'
import { describeStep, type PlannedJob, type PlannedStep } from './plan.ts'
import { killMarked } from './process.ts'
import { jobScope, openJob, openSignals, type JobSignals } from './open-job.ts'
import { removeTree } from './remove-tree.ts'
import { perform, runStep } from './step.ts'
import { stepExpressions } from './step-body.ts'
import { createStepLog } from './step-log.ts'
import {
  evaluateNumber,
  evaluateTemplate,
  evaluateText,
  evaluateTextMap,
  sourceOf,
} from './template.ts'
import type { Template } from './template.ts'
import type { RunDefaults } from './workflow-file.ts'

/** What makes this instance differ from the others of its job. */
export interface JobInstance {
  planned: PlannedJob
  reference: JobReference
  needs: { [key: string]: Json }
  matrix: Combination | null
  strategy: { [key: string]: Json }
  /** What is known before the job starts. */
  expressions: Scope
  /** Asks this instance to end: fail-fast, or the run's own cancellation. */
  cancel: AbortSignal
}

interface StepSummary {
  reference: StepReference
  outcome: Conclusion
  conclusion: Conclusion
  durationMs: number
}

export interface JobResult {
  reference: JobReference
  matrix: Combination | null
  conclusion: Conclusion
  outputs: Record<string, string>
  steps: StepSummary[]
  /** Epoch milliseconds; equal when the job never started. */
  startedAt: number
  finishedAt: number
}

/** The steps of one job as they go. */
interface Progress {
  job: JobState
  scope: StepScope
  steps: StepSummary[]
}

/** Runs one instance to its end. Whatever keeps a job from running fails that job alone. */
export async function runJobInstance(engine: Engine, instance: JobInstance): Promise<JobResult> {
  const { reference, planned, matrix } = instance
  const { needs } = planned.job
  const startedAt = engine.now()
  const stepsExpected = planned.steps.length
  engine.emit({ type: 'job-started', job: reference, needs, matrix, stepsExpected })
  const signals = openSignals(instance.cancel, engine.kill)
  let ran: Ran
  try {
    ran = await openAndRun(engine, instance, signals)
  } catch (error) {
    complain(engine, reference, 'error', asError(error).message)
    ran = { status: 'failure', outputs: {}, steps: [] }
  } finally {
    signals.close()
  }
  const { outputs, steps } = ran
  const conclusion = signals.cancel.aborted ? 'cancelled' : ran.status
  const finishedAt = engine.now()
  const durationMs = finishedAt - startedAt
  engine.emit({ type: 'job-finished', job: reference, conclusion, durationMs, outputs })
  return { reference, matrix, conclusion, outputs, steps, startedAt, finishedAt }
}

interface Ran {
  status: Conclusion
  outputs: Record<string, string>
  steps: StepSummary[]
}

async function openAndRun(
  engine: Engine,
  instance: JobInstance,
  signals: JobSignals,
): Promise<Ran> {
  const job = await openJob(engine, instance, signals)
  const scope = jobScope(job)
  const progress: Progress = { job, scope, steps: [] }
  try {
    await prepare(progress, instance, signals)
    await runSteps(progress, instance.planned)
    const outputs = await readOutputs(progress, instance.planned.job.outputs)
    return { status: scope.status, outputs, steps: progress.steps }
  } finally {
    await killMarked(job.marker)
    if (!engine.keepWorkDirectory) await removeTree(job.directories.root)
  }
}

/** Evaluates what the job says of itself. Errors: EvaluationError; the job then fails without a step. */
async function prepare(
  { job, scope }: Progress,
  instance: JobInstance,
  signals: JobSignals,
): Promise<void> {
  const { engine, reference } = job
  const { job: definition } = instance.planned
  const asked = (await evaluateNumber(definition.timeoutMinutes, instance.expressions)) ?? 0
  const minutes = asked > 0 ? asked : bounds.jobMinutesDefault
  const message = `The job has exceeded the maximum execution time of ${minutes} minutes.`
  signals.expireAfter(minutes * 60_000, () => complain(engine, reference, 'error', message))
  await warnOfOtherSystem(job, definition.runsOn, instance.expressions)
  const expressions = (): Scope => stepExpressions(job, scope, '', job.env, job.kill)
  Object.assign(job.env, await evaluateTextMap(engine.workflowEnv, expressions()))
  Object.assign(job.env, await evaluateTextMap(definition.env, expressions()))
  job.defaults = await readDefaults([definition.defaults, engine.workflowDefaults], expressions())
}

/** Every job runs here, whatever it asks for; one that asks for another system is told so. */
async function warnOfOtherSystem(
  job: JobState,
  runsOn: Template | undefined,
  scope: Scope,
): Promise<void> {
  if (runsOn === undefined) return
  const labels = JSON.stringify(await evaluateTemplate(runsOn, scope))
  const system = /"(windows|macos|ubuntu|linux)\b/i.exec(labels)?.[1]?.toLowerCase()
  const asked = system === 'ubuntu' ? 'linux' : system
  if (asked === undefined || asked === job.runner['os']?.toLowerCase()) return
  complain(
    job.engine,
    job.reference,
    'warning',
    `runs-on asks for ${system}, the job runs on ${job.runner['os']}`,
  )
}

/** The first that is set wins. */
async function readDefaults(
  candidates: RunDefaults[],
  scope: Scope,
): Promise<JobState['defaults']> {
  const first = async (
    pick: (defaults: RunDefaults) => Template | undefined,
  ): Promise<string | undefined> => {
    const found = candidates.map(pick).find((template) => template !== undefined)
    return found === undefined ? undefined : await evaluateText(found, scope)
  }
  return {
    shell: await first((defaults) => defaults.shell),
    workingDirectory: await first((defaults) => defaults.workingDirectory),
  }
}

/** Tells of something about a job as a whole. */
export function complain(
  engine: Engine,
  job: JobReference,
  level: AnnotationLevel,
  message: string,
): void {
  engine.emit({ type: 'annotation', job, step: null, annotation: { level, message } })
}

async function runSteps(progress: Progress, planned: PlannedJob): Promise<void> {
  const { job, scope } = progress
  for (const { step, skipReason } of planned.steps) {
    if (step.kind !== 'uses' || skipReason !== undefined) continue
    const pre = await findPre(job, step)
    if (pre === undefined) continue
    const { condition, work } = pre
    const shown = step.name === undefined ? `Run ${step.uses}` : sourceOf(step.name)
    const name = (): Promise<string> => Promise.resolve(shown)
    const { env, timeoutMinutes } = step
    await runOne(progress, step.id, (openLog) =>
      perform(
        { job, scope, id: step.id, openLog, condition },
        { prefix: 'Pre ', name, env, timeoutMinutes, continueOnError: undefined, work },
      ),
    )
  }
  for (const plannedStep of planned.steps) await runMain(progress, plannedStep)
  for (let post = job.postSteps.pop(); post !== undefined; post = job.postSteps.pop()) {
    const { run } = post
    await runOne(progress, post.id, (openLog) => run(scope, openLog))
  }
}

async function runMain(progress: Progress, { step, skipReason }: PlannedStep): Promise<void> {
  const { job, scope } = progress
  await runOne(progress, step.id, async (openLog) => {
    if (skipReason === undefined) return await runStep(job, scope, step, openLog)
    const name = describeStep(step)
    const log = openLog(name)
    log.annotate({ level: 'warning', message: `left out: ${skipReason}` })
    return { name, outcome: 'skipped', conclusion: 'skipped', outputs: {} }
  })
}

async function runOne(
  progress: Progress,
  id: string,
  run: (openLog: OpenLog) => Promise<StepResult>,
): Promise<void> {
  const { job, scope, steps } = progress
  const { engine, reference: jobReference } = job
  const number = steps.length + 1
  const startedAt = engine.now()
  const { emit, masker, debug } = engine
  const result = await run((name) => {
    const step = { number, id, name }
    engine.emit({ type: 'step-started', job: jobReference, step })
    return createStepLog({ emit, job: jobReference, step, masker, debug })
  })
  // What a later step in the job does to the job's status, a post step does too.
  if (result.conclusion === 'failure') scope.status = 'failure'
  const reference = { number, id, name: masker.mask(result.name) }
  const { outcome, conclusion } = result
  const durationMs = engine.now() - startedAt
  steps.push({ reference, outcome, conclusion, durationMs })
  engine.emit({
    type: 'step-finished',
    job: jobReference,
    step: reference,
    outcome,
    conclusion,
    durationMs,
  })
}

/** A value in which a secret shows does not leave the job, as on GitHub. Errors: EvaluationError. */
async function readOutputs(
  { job, scope }: Progress,
  outputs: Template | undefined,
): Promise<Record<string, string>> {
  const { engine, reference } = job
  const values = await evaluateTextMap(outputs, stepExpressions(job, scope, '', job.env, job.kill))
  const kept = Object.entries(values).filter(([name, value]) => {
    if (engine.masker.mask(value) === value) return true
    complain(engine, reference, 'warning', `Skip output '${name}' since it may contain secret.`)
    return false
  })
  return Object.fromEntries(kept)
}
