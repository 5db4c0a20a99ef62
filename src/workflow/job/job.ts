/** One job instance: its workspace, its steps in order, the post steps of its actions, its
 *  outputs. */
import { asError } from '../../core/errors.ts'
import type { AnnotationLevel, Conclusion } from '../../core/run/run-record.ts'
import { findPre } from '../actions/action.ts'
import { bounds } from '../bounds.ts'
import type { Engine, JobState, OpenLog, StepResult } from '../engine.ts'
import type { JobReference } from '../events.ts'
import type { Scope } from '../expression/expression.ts'
import type { Combination } from '../file/matrix.ts'
import { describeStep, type PlannedJob, type PlannedStep } from '../file/plan.ts'
import { killMarked } from '../step/process.ts'
import { openJob, openSignals, type JobSignals } from './open-job.ts'
import { removeTree } from '../remove-tree.ts'
import { perform, runStep, skippedStep } from '../step/step.ts'
import { stepExpressions } from '../step/step-body.ts'
import { createStepLog } from '../step/step-log.ts'
import {
  evaluateNumber,
  evaluateTemplate,
  evaluateText,
  evaluateTextMap,
  type Template,
} from '../file/template.ts'
import type { RunDefaults } from '../file/workflow-file.ts'

/** What distinguishes this instance from the others of its job. */
export interface JobInstance {
  planned: PlannedJob
  reference: JobReference
  matrix: Combination | null
  /** Contexts and functions available before the job starts. */
  expressions: Scope
  /** Cancels this instance: by fail-fast, or because the run is cancelled. */
  cancel: AbortSignal
}

export interface JobResult {
  reference: JobReference
  conclusion: Conclusion
  outputs: Record<string, string>
  /** Epoch milliseconds. */
  finishedAt: number
}

interface Progress {
  job: JobState
  /** Changes: how many steps have run so far. */
  stepsRun: number
}

/** Runs one instance to completion. An error that prevents the job from running fails only that
 *  job. */
export async function runJobInstance(engine: Engine, instance: JobInstance): Promise<JobResult> {
  const { reference, planned, matrix } = instance
  const { needs } = planned.job
  const startedAt = engine.now()
  engine.emit({ type: 'job-started', job: reference, needs, matrix })
  const signals = openSignals(instance.cancel, engine.kill)
  let ran: JobRun
  try {
    ran = await openAndRun(engine, instance, signals)
  } catch (error) {
    annotateJob(engine, reference, 'error', asError(error).message)
    ran = { status: 'failure', outputs: {} }
  } finally {
    signals.close()
  }
  const { outputs } = ran
  const conclusion = signals.cancel.aborted ? 'cancelled' : ran.status
  const finishedAt = engine.now()
  const durationMs = finishedAt - startedAt
  engine.emit({ type: 'job-finished', job: reference, conclusion, durationMs, outputs })
  return { reference, conclusion, outputs, finishedAt }
}

interface JobRun {
  status: Conclusion
  outputs: Record<string, string>
}

async function openAndRun(
  engine: Engine,
  instance: JobInstance,
  signals: JobSignals,
): Promise<JobRun> {
  const { reference, expressions } = instance
  const { contexts } = expressions
  const job = await openJob(engine, { reference, contexts }, signals)
  const progress: Progress = { job, stepsRun: 0 }
  try {
    await prepare(job, instance, signals)
    await runSteps(progress, instance.planned)
    const outputs = await readOutputs(job, instance.planned.job.outputs)
    return { status: job.scope.status, outputs }
  } finally {
    killMarked(job.marker)
    if (!engine.keepWorkDirectory) await removeTree(job.directories.root)
  }
}

/** Evaluates the job's own settings. Errors: EvaluationError; the job then fails without running a
 *  step. */
async function prepare(job: JobState, instance: JobInstance, signals: JobSignals): Promise<void> {
  const { engine, reference } = job
  const { job: definition } = instance.planned
  const requested = (await evaluateNumber(definition.timeoutMinutes, instance.expressions)) ?? 0
  const minutes = requested > 0 ? requested : bounds.jobMinutesDefault
  const message = `The job has exceeded the maximum execution time of ${minutes} minutes.`
  signals.expireAfter(minutes * 60_000, () => annotateJob(engine, reference, 'error', message))
  await warnOfForeignSystem(job, definition.runsOn, instance.expressions)
  const expressions = (): Scope => stepExpressions(job, job.scope, '', job.env, job.kill)
  Object.assign(job.env, await evaluateTextMap(engine.workflowEnv, expressions()))
  Object.assign(job.env, await evaluateTextMap(definition.env, expressions()))
  job.defaults = await readDefaults([definition.defaults, engine.workflowDefaults], expressions())
}

/** Every job runs on this machine. Warns when `runs-on` asks for another operating system. */
async function warnOfForeignSystem(
  job: JobState,
  runsOn: Template | undefined,
  scope: Scope,
): Promise<void> {
  if (runsOn === undefined) return
  const labels = JSON.stringify(await evaluateTemplate(runsOn, scope))
  const system = /"(windows|macos|ubuntu|linux)\b/i.exec(labels)?.[1]?.toLowerCase()
  const requested = system === 'ubuntu' ? 'linux' : system
  if (requested === undefined || requested === job.runner['os']?.toLowerCase()) return
  annotateJob(
    job.engine,
    job.reference,
    'warning',
    `runs-on asks for ${system}, but the job runs on ${job.runner['os']}`,
  )
}

/** The first candidate whose value is not empty wins. */
async function readDefaults(
  candidates: RunDefaults[],
  scope: Scope,
): Promise<JobState['defaults']> {
  const first = async (
    pick: (defaults: RunDefaults) => Template | undefined,
  ): Promise<string | undefined> => {
    for (const candidate of candidates) {
      const template = pick(candidate)
      const text = template && (await evaluateText(template, scope))
      if (text) return text
    }
    return undefined
  }
  return {
    shell: await first((defaults) => defaults.shell),
    workingDirectory: await first((defaults) => defaults.workingDirectory),
  }
}

/** Emits an annotation about the job as a whole. */
export function annotateJob(
  engine: Engine,
  job: JobReference,
  level: AnnotationLevel,
  message: string,
): void {
  engine.emit({ type: 'annotation', job, step: null, annotation: { level, message } })
}

async function runSteps(progress: Progress, planned: PlannedJob): Promise<void> {
  const { job } = progress
  const { scope } = job
  for (const { step, skipReason } of planned.steps) {
    if (step.kind !== 'uses' || skipReason !== undefined) continue
    const pre = await findPre(job, step)
    if (pre === undefined) continue
    await runOne(progress, step.id, (openLog) =>
      perform({ job, scope, step, openLog, prefix: 'Pre ', ...pre }),
    )
  }
  for (const plannedStep of planned.steps) await runMain(progress, plannedStep)
  for (let post = job.postSteps.pop(); post !== undefined; post = job.postSteps.pop()) {
    await runOne(progress, post.id, post.run)
  }
}

async function runMain(progress: Progress, { step, skipReason }: PlannedStep): Promise<void> {
  const { job } = progress
  await runOne(progress, step.id, async (openLog) => {
    if (skipReason === undefined) return await runStep(job, job.scope, step, openLog)
    const name = describeStep(step)
    const log = openLog(name)
    log.annotate({ level: 'warning', message: `skipped: ${skipReason}` })
    return skippedStep(name, 'skipped')
  })
}

async function runOne(
  progress: Progress,
  id: string,
  run: (openLog: OpenLog) => Promise<StepResult>,
): Promise<void> {
  const { engine, reference: job, scope, directories } = progress.job
  const { emit, masker, debug, now } = engine
  progress.stepsRun += 1
  const number = progress.stepsRun
  const startedAt = now()
  const { name, outcome, conclusion } = await run((shown) => {
    const step = { number, id, name: shown }
    emit({ type: 'step-started', job, step })
    const { workspace } = directories
    return createStepLog({ emit, job, step, masker, workspace, debug })
  })
  if (conclusion === 'failure') scope.status = 'failure'
  const step = { number, id, name: masker.mask(name) }
  const durationMs = now() - startedAt
  emit({ type: 'step-finished', job, step, outcome, conclusion, durationMs })
}

/** Evaluates the job's outputs. Drops empty values and those that contain a secret, as GitHub does.
 *  Errors: EvaluationError. */
async function readOutputs(
  job: JobState,
  outputs: Template | undefined,
): Promise<Record<string, string>> {
  const { engine, reference } = job
  const expressions = stepExpressions(job, job.scope, '', job.env, job.kill)
  const values = await evaluateTextMap(outputs, expressions)
  const kept = Object.entries(values).filter(([name, value]) => {
    if (engine.masker.mask(value) === value) return value !== ''
    annotateJob(engine, reference, 'warning', `Skip output '${name}' since it may contain secret.`)
    return false
  })
  return Object.fromEntries(kept)
}
