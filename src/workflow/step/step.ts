/** One step from its condition to its conclusion: environment, condition, timeout, cancellation,
 *  continue-on-error. The work itself is one of the bodies: a script, a built-in action, or an
 *  action in a directory. */
import { asError } from '../../core/errors.ts'
import type { Conclusion } from '../../core/run/run-record.ts'
import { runAction } from '../actions/action.ts'
import { runScript } from '../actions/script.ts'
import { bounds } from '../bounds.ts'
import type { JobState, OpenLog, StepResult, StepScope } from '../engine.ts'
import type { Scope } from '../expression/expression.ts'
import { firstLine } from '../file/plan.ts'
import { StepFailure, stepExpressions, type StepBody } from './step-body.ts'
import type { StepLog } from './step-log.ts'
import {
  type Condition,
  evaluateBoolean,
  evaluateCondition,
  evaluateNumber,
  evaluateText,
  evaluateTextMap,
  sourceOf,
  type Template,
} from '../file/template.ts'
import type { Step } from '../file/workflow-file.ts'

/** Runs a step in its scope and records the result there. Never rejects because of the step's
 *  work. */
export async function runStep(
  job: JobState,
  scope: StepScope,
  step: Step,
  openLog: OpenLog,
): Promise<StepResult> {
  const result = await perform(
    { job, scope, id: step.id, openLog, condition: step.condition },
    {
      prefix: '',
      name: (expressions) => stepName(step, expressions),
      env: step.env,
      timeoutMinutes: step.timeoutMinutes,
      continueOnError: step.continueOnError,
      work: (body) => (step.kind === 'run' ? runScript(body, step) : runAction(body, step)),
    },
  )
  if (!step.id.startsWith('__')) {
    const { outputs, outcome, conclusion } = result
    scope.steps[step.id] = { outputs, outcome, conclusion }
  }
  return result
}

/** Where a step runs, and its condition. */
export interface StepPlace {
  job: JobState
  scope: StepScope
  id: string
  openLog: OpenLog
  condition: Condition
}

/** What a step does. */
export interface StepWork {
  /** Prefix of the name: pre and post scripts of an action are steps of their own. */
  prefix: '' | 'Pre ' | 'Post '
  name: (expressions: Scope) => Promise<string>
  env: Template | undefined
  timeoutMinutes: Template | undefined
  continueOnError: Template | undefined
  work: (body: StepBody) => Promise<void>
}

/** Runs any step, including pre and post steps of actions. */
export async function perform(place: StepPlace, work: StepWork): Promise<StepResult> {
  const { job, scope, id } = place
  const env = { ...job.env, ...scope.env }
  const stopper = new AbortController()
  const stop = AbortSignal.any([stopper.signal, job.kill])
  const expressions = (): Scope => stepExpressions(job, scope, id, env, stop)
  const wasCancelled = scope.cancel.aborted
  let shouldRun = false
  let evaluationError: unknown
  try {
    Object.assign(env, await evaluateTextMap(work.env, expressions()))
    const mayRun = !job.kill.aborted && !hasTimedOut(scope)
    shouldRun = mayRun && (await evaluateCondition(place.condition, expressions()))
  } catch (error) {
    evaluationError = error
  }
  const name = await work.name(expressions())
  const shownName = work.prefix + name
  if (!shouldRun && evaluationError === undefined) {
    const conclusion = job.kill.aborted ? 'cancelled' : 'skipped'
    return { name: shownName, outcome: conclusion, conclusion, outputs: {} }
  }
  const log = place.openLog(shownName)
  const body = createBody(place, work, { name, env, expressions: expressions(), log, stop })
  if (evaluationError !== undefined) logError(log, evaluationError)
  const outcome =
    evaluationError === undefined
      ? await runWork(place, work, body, { stopper, wasCancelled })
      : 'failure'
  // As on a runner, `continue-on-error` covers neither `env` nor `if`.
  const { continueOnError } = evaluationError === undefined ? work : { continueOnError: undefined }
  const conclusion = await conclude(continueOnError, body, outcome)
  return { name: shownName, outcome, conclusion, outputs: body.outputs }
}

function createBody(
  place: StepPlace,
  work: StepWork,
  own: Pick<StepBody, 'name' | 'env' | 'expressions' | 'log' | 'stop'>,
): StepBody {
  const { job, scope, id } = place
  const { name, env, log } = own
  return {
    ...own,
    job,
    scope,
    id,
    outputs: {},
    addPost: (condition, later) => {
      const added = Object.fromEntries(
        Object.entries(env).filter(([key, value]) => job.env[key] !== value),
      )
      job.postSteps.push({
        id,
        run: async (openLog) =>
          await perform(
            {
              ...place,
              scope: { ...job.scope, env: added, inputs: scope.inputs },
              openLog,
              condition,
            },
            {
              ...work,
              prefix: 'Post ',
              name: () => Promise.resolve(name),
              env: undefined,
              work: later,
            },
          ),
      })
    },
    // A nested step writes into the log of the enclosing step, under its own heading.
    runNested: async (innerScope, step) =>
      await runStep(job, innerScope, step, (heading) => {
        log.startGroup(heading)
        return log
      }),
  }
}

/** What can stop a running step. */
interface Stopping {
  stopper: AbortController
  /** Whether the job was already cancelled when the condition was evaluated; if so, the condition
   *  allows for that. */
  wasCancelled: boolean
}

/** Why a step is stopped that has exceeded its timeout. */
const timedOut = new Error('the step has timed out')

/** Whether the composite action that has these steps has timed out. Then none of them runs on,
 *  whatever its condition. */
function hasTimedOut({ cancel }: StepScope): boolean {
  return cancel.reason === timedOut
}

async function runWork(
  place: StepPlace,
  work: StepWork,
  body: StepBody,
  { stopper, wasCancelled }: Stopping,
): Promise<Conclusion> {
  const { job, scope, condition } = place
  let reason: 'timeout' | 'cancelled' | undefined
  const stop = (why: 'timeout' | 'cancelled'): void => {
    reason ??= why
    stopper.abort(why === 'timeout' || hasTimedOut(scope) ? timedOut : undefined)
  }
  const onKill = (): void => stop('cancelled')
  // As on a runner, evaluate the condition again: a step whose condition holds in a cancelled job
  // goes on.
  const onCancel = (): void => {
    if (hasTimedOut(scope)) return stop('cancelled')
    const expressions = stepExpressions(job, scope, place.id, body.env, body.stop)
    evaluateCondition(condition, expressions).then(
      (holds) => (holds ? undefined : stop('cancelled')),
      () => stop('cancelled'),
    )
  }
  let timer: NodeJS.Timeout | undefined
  let minutes: number | undefined
  try {
    minutes = await evaluateNumber(work.timeoutMinutes, body.expressions)
    if (minutes !== undefined && minutes > 0) {
      timer = setTimeout(() => stop('timeout'), Math.min(minutes * 60_000, bounds.timerMsMax))
    }
    if (!scope.cancel.aborted) scope.cancel.addEventListener('abort', onCancel, { once: true })
    else if (!wasCancelled) onCancel()
    if (job.kill.aborted) onKill()
    else job.kill.addEventListener('abort', onKill, { once: true })
    await work.work(body)
    return outcomeOf(reason, body, minutes) ?? 'success'
  } catch (error) {
    const stopped = outcomeOf(reason, body, minutes)
    if (stopped !== undefined) return stopped
    logError(body.log, error)
    return 'failure'
  } finally {
    clearTimeout(timer)
    scope.cancel.removeEventListener('abort', onCancel)
    job.kill.removeEventListener('abort', onKill)
  }
}

function outcomeOf(
  reason: 'timeout' | 'cancelled' | undefined,
  body: StepBody,
  minutes: number | undefined,
): Conclusion | undefined {
  if (reason === undefined) return undefined
  const message =
    reason === 'timeout'
      ? `The action '${body.name}' has timed out after ${minutes} minutes.`
      : 'The operation was canceled.'
  body.log.annotate({ level: 'error', message })
  return reason === 'timeout' ? 'failure' : 'cancelled'
}

/** Logs why a step failed. Errors other than StepFailure come from the file system, the store or
 *  the action; they fail the step, not the run. */
function logError(log: StepLog, error: unknown): void {
  const message = asError(error).message
  if (error instanceof StepFailure && message === '') return
  log.annotate({ level: 'error', message })
}

/** Returns the conclusion: a failure that `continue-on-error` allows is a success, any other sets
 *  the scope's status. */
async function conclude(
  continueOnError: Template | undefined,
  body: StepBody,
  outcome: Conclusion,
): Promise<Conclusion> {
  let conclusion = outcome
  if (outcome === 'failure') {
    try {
      if (await evaluateBoolean(continueOnError, body.expressions)) conclusion = 'success'
    } catch (error) {
      logError(body.log, error)
    }
  }
  if (conclusion === 'failure') body.scope.status = 'failure'
  body.log.endGroup()
  return conclusion
}

/** The name in the workflow, or what the step does. A name that cannot be evaluated is shown as
 *  written. */
async function stepName(step: Step, expressions: Scope): Promise<string> {
  const evaluate = async (template: Template): Promise<string> =>
    await evaluateText(template, expressions).catch(() => sourceOf(template))
  if (step.name !== undefined) return await evaluate(step.name)
  return `Run ${step.kind === 'uses' ? step.uses : firstLine(await evaluate(step.script))}`
}
