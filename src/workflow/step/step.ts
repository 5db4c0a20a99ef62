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
import { onAbort } from '../on-abort.ts'
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
  const result = await perform({
    job,
    scope,
    step,
    openLog,
    condition: step.condition,
    prefix: '',
    work: (body) => (step.kind === 'run' ? runScript(body, step) : runAction(body, step)),
  })
  if (!step.id.startsWith('__')) {
    const { outputs, outcome, conclusion } = result
    scope.steps[step.id] = { outputs, outcome, conclusion }
  }
  return result
}

/** What is done for a step: pre and post scripts of its action are steps of their own. */
interface StepTask {
  job: JobState
  scope: StepScope
  step: Step
  openLog: OpenLog
  condition: Condition
  prefix: '' | 'Pre ' | 'Post '
  /** Default: the name of the step. */
  name?: string
  work: (body: StepBody) => Promise<void>
}

/** Runs any step, including pre and post steps of actions. */
export async function perform(task: StepTask): Promise<StepResult> {
  const { job, scope, step } = task
  const env = { ...job.env, ...scope.env }
  const stopping: Stopping = { stopper: new AbortController(), expiry: new AbortController() }
  const stop = AbortSignal.any([stopping.stopper.signal, job.kill])
  const expressions = (): Scope => stepExpressions(job, scope, step.id, env, stop)
  let shouldRun = false
  let evaluationError: unknown
  let hasEnv = false
  try {
    Object.assign(env, await evaluateTextMap(step.env, expressions()))
    hasEnv = true
    shouldRun = !scope.halt.aborted && (await evaluateCondition(task.condition, expressions()))
  } catch (error) {
    evaluationError = error
  }
  const name = task.name ?? (await stepName(step, expressions()))
  const shownName = task.prefix + name
  if (!shouldRun && evaluationError === undefined)
    return skippedStep(shownName, job.kill.aborted ? 'cancelled' : 'skipped')
  const log = task.openLog(shownName)
  const halt = AbortSignal.any([stopping.expiry.signal, scope.halt])
  const body = createBody(task, { name, env, expressions: expressions(), log, stop, halt })
  if (evaluationError !== undefined) logError(log, evaluationError)
  const outcome = evaluationError === undefined ? await runWork(task, body, stopping) : 'failure'
  // As on a runner, `continue-on-error` covers neither `env` nor `if`.
  const continueOnError = evaluationError === undefined ? step.continueOnError : undefined
  const conclusion = await conclude(continueOnError, body, outcome)
  const hasInvalidCondition = evaluationError !== undefined && hasEnv
  return { name: shownName, outcome, conclusion, outputs: body.outputs, hasInvalidCondition }
}

/** The result of a step that does not run. */
export function skippedStep(name: string, conclusion: 'skipped' | 'cancelled'): StepResult {
  return { name, outcome: conclusion, conclusion, outputs: {}, hasInvalidCondition: false }
}

function createBody(
  task: StepTask,
  own: Pick<StepBody, 'name' | 'env' | 'expressions' | 'log' | 'stop' | 'halt'>,
): StepBody {
  const { job, scope, step } = task
  const { id } = step
  const { name, log } = own
  return {
    ...own,
    job,
    scope,
    id,
    outputs: {},
    addPost: (condition, later) => {
      job.postSteps.push({
        id,
        run: async (openLog) => {
          // It sees the steps and inputs of its own scope, but runs at the end of the job.
          const { status, cancel, halt } = job.scope
          const at = { scope: { ...scope, status, cancel, halt }, openLog, condition }
          return await perform({ ...task, ...at, prefix: 'Post ', name, work: later })
        },
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
  /** Aborted, too, when the step has timed out: none of the steps inside it goes on. */
  expiry: AbortController
}

async function runWork(
  { job, scope, step, condition, work }: StepTask,
  body: StepBody,
  { stopper, expiry }: Stopping,
): Promise<Conclusion> {
  let reason: 'timeout' | 'cancelled' | undefined
  const stop = (why: 'timeout' | 'cancelled'): void => {
    reason ??= why
    stopper.abort()
  }
  // As on a runner, evaluate the condition again: a step whose condition holds in a cancelled job
  // goes on.
  const onCancel = (): void => {
    const expressions = stepExpressions(job, scope, step.id, body.env, body.stop)
    evaluateCondition(condition, expressions).then(
      (holds) => (holds ? undefined : stop('cancelled')),
      () => stop('cancelled'),
    )
  }
  const over = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let minutes: number | undefined
  try {
    minutes = await evaluateNumber(step.timeoutMinutes, body.expressions)
    if (minutes !== undefined && minutes > 0) {
      const expire = (): void => {
        expiry.abort()
        stop('timeout')
      }
      timer = setTimeout(expire, Math.min(minutes * 60_000, bounds.timerMsMax))
    }
    onAbort(scope.cancel, onCancel, over.signal)
    onAbort(scope.halt, () => stop('cancelled'), over.signal)
    await work(body)
    return outcomeOf(reason, body, minutes) ?? 'success'
  } catch (error) {
    const stopped = outcomeOf(reason, body, minutes)
    if (stopped !== undefined) return stopped
    logError(body.log, error)
    return error instanceof StepFailure ? error.outcome : 'failure'
  } finally {
    clearTimeout(timer)
    over.abort()
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

/** Returns the conclusion, which sets the scope's status: a failure that `continue-on-error` allows
 *  is a success. */
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
  if (conclusion === 'cancelled') body.scope.status = 'cancelled'
  else if (conclusion === 'failure' && body.scope.status === 'success')
    body.scope.status = 'failure'
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
