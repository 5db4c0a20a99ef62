/** One instance of a job: its workspace, its steps in order, the clean-up of its actions, its outputs. */
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { findPre } from './actions/action.ts'
import { bounds } from './bounds.ts'
import { githubOfJob, runnerContext, type JobDirectories } from './contexts.ts'
import type { Engine, JobState, OpenLog, StepResult, StepScope } from './engine.ts'
import type { Conclusion, JobReference, StepReference } from './events.ts'
import type { Json, Scope } from './expression.ts'
import type { Combination } from './matrix.ts'
import { describeStep, type PlannedJob, type PlannedStep } from './plan.ts'
import { killMarked } from './process.ts'
import { perform, runStep } from './step.ts'
import { stepExpressions } from './step-body.ts'
import { createStepLog } from './step-log.ts'
import { evaluateNumber, evaluateText, evaluateTextMap } from './template.ts'
import type { RunDefaults, Template } from './workflow-file.ts'

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

export interface StepSummary {
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

/** Runs one instance to its end. Rejects only when its directories or its token cannot be had. */
export async function runJobInstance(engine: Engine, instance: JobInstance): Promise<JobResult> {
  const { reference, planned, matrix } = instance
  const { needs } = planned.job
  const startedAt = engine.now()
  const stepsExpected = planned.steps.length
  engine.emit({ type: 'job-started', job: reference, needs, matrix, stepsExpected })
  const signals = openSignals(engine, instance)
  const job = await openJob(engine, instance, signals)
  const progress: Progress = { job, scope: jobScope(job), steps: [] }
  let outputs: Record<string, string> = {}
  try {
    const ready = await prepare(progress, instance, signals)
    if (ready) await runSteps(progress, planned)
    if (ready) outputs = await readOutputs(progress, planned.job.outputs)
  } finally {
    signals.close()
    await killMarked(job.marker)
    if (!engine.keepWorkDirectory) await rm(job.directories.root, { recursive: true, force: true })
  }
  const conclusion = signals.cancel.aborted ? 'cancelled' : progress.scope.status
  const finishedAt = engine.now()
  const durationMs = finishedAt - startedAt
  engine.emit({ type: 'job-finished', job: reference, conclusion, durationMs, outputs })
  return { reference, matrix, conclusion, outputs, steps: progress.steps, startedAt, finishedAt }
}

interface JobSignals {
  cancel: AbortSignal
  kill: AbortSignal
  /** Cancels the job after this time, having called `announce`. */
  expireAfter: (ms: number, announce: () => void) => void
  close: () => void
}

/** A cancelled job may finish its `always()` steps, but not for ever. */
function openSignals(engine: Engine, instance: JobInstance): JobSignals {
  const canceller = new AbortController()
  const killer = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const onCancel = (): void => {
    timers.push(setTimeout(() => killer.abort(), bounds.cancelledJobMs))
    canceller.abort()
  }
  const onKill = (): void => {
    canceller.abort()
    killer.abort()
  }
  for (const [signal, react] of [
    [instance.cancel, onCancel],
    [engine.kill, onKill],
  ] as const) {
    if (signal.aborted) react()
    else signal.addEventListener('abort', react, { once: true })
  }
  return {
    cancel: canceller.signal,
    kill: killer.signal,
    expireAfter: (ms, announce) => {
      // Timers count in 32 bits; a longer time is longer than any run.
      const expire = (): void => {
        announce()
        onCancel()
      }
      timers.push(setTimeout(expire, Math.min(ms, 2 ** 31 - 1)))
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      instance.cancel.removeEventListener('abort', onCancel)
      engine.kill.removeEventListener('abort', onKill)
    },
  }
}

async function openJob(
  engine: Engine,
  instance: JobInstance,
  signals: JobSignals,
): Promise<JobState> {
  const { reference } = instance
  const directories = await createDirectories(engine, reference)
  const runtimeToken = (await engine.endpoint?.runtimeToken(reference)) ?? ''
  if (runtimeToken !== '') engine.masker.add(runtimeToken)
  const token = engine.secrets['GITHUB_TOKEN'] ?? runtimeToken
  return {
    engine,
    reference,
    directories,
    github: { ...engine.githubOfRun, ...githubOfJob({ id: reference.id, directories, token }) },
    runner: runnerContext(directories, engine.debug),
    needs: instance.needs,
    matrix: instance.matrix,
    strategy: instance.strategy,
    secrets: { ...engine.secrets, GITHUB_TOKEN: token },
    defaults: { shell: undefined, workingDirectory: undefined },
    env: {},
    path: [],
    marker: `trove_${randomUUID()}`,
    cancel: signals.cancel,
    kill: signals.kill,
    runtimeToken,
    artifacts: await engine.openArtifacts?.(reference),
    postSteps: [],
    uses: new Map(),
  }
}

async function createDirectories(engine: Engine, reference: JobReference): Promise<JobDirectories> {
  const root = join(engine.workDirectory, reference.key)
  const temporary = join(root, '_temp')
  const directories: JobDirectories = {
    root,
    workspace: join(root, basename(engine.facts.repository)),
    temporary,
    toolCache: join(engine.workDirectory, '_tool'),
    eventPath: join(temporary, '_github_workflow', 'event.json'),
  }
  await rm(root, { recursive: true, force: true })
  await mkdir(directories.workspace, { recursive: true })
  await mkdir(join(temporary, '_github_workflow'), { recursive: true })
  await mkdir(directories.toolCache, { recursive: true })
  await writeFile(directories.eventPath, JSON.stringify(engine.facts.payload))
  return directories
}

function jobScope(job: JobState): StepScope {
  const { inputs } = job.engine
  return { steps: {}, status: 'success', inputs, env: {}, github: {}, cancel: job.cancel, depth: 0 }
}

/** Evaluates what the job says of itself. False when it cannot; the job has then failed without a step. */
async function prepare(
  progress: Progress,
  instance: JobInstance,
  signals: JobSignals,
): Promise<boolean> {
  const { job, scope } = progress
  const { engine } = job
  const { job: definition } = instance.planned
  try {
    const minutes = await evaluateNumber(definition.timeoutMinutes, instance.expressions)
    const limit = minutes ?? bounds.jobMinutesDefault
    const message = `The job has exceeded the maximum execution time of ${limit} minutes.`
    signals.expireAfter(limit * 60_000, () => complain(job, message))
    const expressions = (): Scope => stepExpressions(job, scope, '', job.env)
    Object.assign(job.env, await evaluateTextMap(engine.workflowEnv, expressions()))
    Object.assign(job.env, await evaluateTextMap(definition.env, expressions()))
    job.defaults = await readDefaults([definition.defaults, engine.workflowDefaults], expressions())
    return true
  } catch (error) {
    complain(job, error instanceof Error ? error.message : String(error))
    scope.status = 'failure'
    return false
  }
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

function complain(job: JobState, message: string): void {
  const annotation = { level: 'error', message } as const
  job.engine.emit({ type: 'annotation', job: job.reference, step: null, annotation })
}

async function runSteps(progress: Progress, planned: PlannedJob): Promise<void> {
  const { job, scope } = progress
  for (const { step, skipReason } of planned.steps) {
    if (step.kind !== 'uses' || skipReason !== undefined) continue
    const pre = await findPre(job, step)
    if (pre === undefined) continue
    const { condition, work } = pre
    const name = (): Promise<string> => Promise.resolve(describeStep(step))
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
  const result = await run((name) => {
    const step = { number, id, name }
    engine.emit({ type: 'step-started', job: jobReference, step })
    const { emit, masker, debug } = engine
    return createStepLog({ emit, job: jobReference, step, masker, debug })
  })
  // What a later step in the job does to the job's status, a post step does too.
  if (result.conclusion === 'failure') scope.status = 'failure'
  const reference = { number, id, name: result.name }
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

/** A value in which a secret shows does not leave the job, as on GitHub. */
async function readOutputs(
  progress: Progress,
  outputs: Template | undefined,
): Promise<Record<string, string>> {
  const { job, scope } = progress
  const { masker } = job.engine
  try {
    const values = await evaluateTextMap(outputs, stepExpressions(job, scope, '', job.env))
    const kept = Object.entries(values).filter(([name, value]) => {
      if (masker.mask(value) === value) return true
      const annotation = {
        level: 'warning',
        message: `Skip output '${name}' since it may contain secret.`,
      } as const
      job.engine.emit({ type: 'annotation', job: job.reference, step: null, annotation })
      return false
    })
    return Object.fromEntries(kept)
  } catch (error) {
    complain(job, error instanceof Error ? error.message : String(error))
    scope.status = 'failure'
    return {}
  }
}
