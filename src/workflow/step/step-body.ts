/** Everything that the work of one step gets: its scope, environment, log, and the signals that end
 *  it. Shared by all kinds of steps. Also runs a process for a step, with its file commands. */
import { delimiter } from 'node:path'
import { githubVariables, jobContext, runnerVariables } from '../expression/contexts.ts'
import type { JobState, StepResult, StepScope } from '../engine.ts'
import type { Json, Scope } from '../expression/expression.ts'
import { createCommandFiles, readCommandFiles, type FileCommands } from './file-commands.ts'
import { runProcess, type ProcessResult } from './process.ts'
import type { StepLog } from './step-log.ts'
import type { Condition } from '../file/template.ts'
import type { Step } from '../file/workflow-file.ts'

export interface StepBody {
  job: JobState
  scope: StepScope
  id: string
  name: string
  /** The `env` context: job, composite action and step merged. */
  env: Record<string, string>
  expressions: Scope
  log: StepLog
  /** Aborted when the step is cancelled or times out. */
  stop: AbortSignal
  /** Aborted when the steps inside this one must stop whatever their conditions. */
  halt: AbortSignal
  /** Changes: outputs the step has set. Kept even when it fails. */
  outputs: Record<string, string>
  /** Adds a post step to the job. It evaluates this step's environment again, as on a runner. */
  addPost: (condition: Condition, work: (body: StepBody) => Promise<void>) => void
  /** Runs a step inside this one, for composite actions. */
  runNested: (scope: StepScope, step: Step) => Promise<StepResult>
}

/** A step that failed in an expected way. The message goes to the step's log as an error; an empty
 *  message means that the reason has already been logged. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure'
  readonly outcome: 'failure' | 'cancelled'
  constructor(message: string, outcome: StepFailure['outcome'] = 'failure') {
    super(message)
    this.outcome = outcome
  }
}

/** Returns what expressions of a step can access. `stop` cancels long-running functions. */
export function stepExpressions(
  job: JobState,
  scope: StepScope,
  id: string,
  env: Record<string, string>,
  stop: AbortSignal,
): Scope {
  const { engine } = job
  // A composite action with `always()` runs on in a cancelled job.
  const cancelled = (): boolean => job.cancel.aborted || scope.cancel.aborted
  const jobStatus = job.cancel.aborted ? 'cancelled' : job.scope.status
  return {
    contexts: {
      ...job.contexts,
      github: stepGithub(job, scope, id),
      env,
      secrets: job.secrets,
      job: jobContext(jobStatus, engine.workflowPlace),
      steps: scope.steps,
      runner: job.runner,
      inputs: scope.inputs,
    },
    status: {
      success: () => !scope.cancel.aborted && scope.status === 'success',
      failure: () => !scope.cancel.aborted && scope.status === 'failure',
      cancelled,
    },
    hashFiles: async (patterns) => {
      const roots = { directory: job.directories.workspace, home: engine.environment['HOME'] }
      return await engine.globber.hashFiles(patterns, roots, stop)
    },
  }
}

function stepGithub(job: JobState, scope: StepScope, id: string): { [key: string]: Json } {
  const own = { ...job.github, action: id, ...scope.github }
  return scope.depth === 0 ? own : { ...own, action_status: scope.status }
}

export interface StepProcess {
  command: string
  args: string[]
  directory: string
  /** Variables of this process only; they override the user's. */
  variables: Record<string, string>
}

/** Runs a process as this step's work: logs its output and applies its file commands, also when
 *  it fails. Returns its exit status and the state it saved. Errors: StepFailure for invalid
 *  commands. */
export async function runStepProcess(
  body: StepBody,
  process: StepProcess,
): Promise<ProcessResult & { state: Record<string, string> }> {
  const { job, log } = body
  const files = await createCommandFiles(job.directories.temporary)
  const result = await runProcess({
    command: process.command,
    args: process.args,
    directory: process.directory,
    environment: { ...processEnvironment(body), ...process.variables, ...files },
    stop: body.stop,
    kill: job.kill,
    grace: job.engine.grace,
    takePiece: job.engine.masker.takePiece,
    onLine: log.output,
    room: job.engine.room,
  })
  return { ...result, state: applyCommands(body, await readCommandFiles(files)) }
}

/** User variables come first, so that nothing can override what a runner sets. */
export function processEnvironment(body: StepBody): Record<string, string> {
  const { job, scope } = body
  const { engine } = job
  const merged: Record<string, string> = { CI: 'true', ...engine.environment, ...body.env }
  return {
    ...merged,
    PATH: searchPathOf(job, merged['PATH']),
    GITHUB_ACTIONS: 'true',
    ...githubVariables(stepGithub(job, scope, body.id)),
    ...runnerVariables(job.runner),
    // Where set-up actions keep their tools; they read either variable.
    AGENT_TOOLSDIRECTORY: job.directories.toolCache,
    RUNNER_TRACKING_ID: job.marker,
  }
}

/** Returns `base` after the directories that steps of the job have added. */
export function searchPathOf({ path }: JobState, base = ''): string {
  return [...path.toReversed(), base].filter((part) => part !== '').join(delimiter)
}

function applyCommands(body: StepBody, commands: FileCommands): Record<string, string> {
  const { job, log } = body
  for (const [name, value] of Object.entries(commands.env)) {
    if (name.toUpperCase() === 'NODE_OPTIONS') {
      // It would run code in every later JavaScript action.
      log.annotate({
        level: 'error',
        message: "Can't store NODE_OPTIONS using '$GITHUB_ENV' command.",
      })
    } else {
      job.env[name] = value
    }
  }
  for (const directory of commands.path) {
    job.path = [...job.path.filter((known) => known !== directory), directory]
  }
  const logged = log.takeCommands()
  Object.assign(body.outputs, logged.outputs, commands.outputs)
  if (commands.summary !== '') log.summarize(commands.summary)
  for (const fault of [...commands.faults, ...commands.summaryFaults]) {
    log.annotate({ level: 'error', message: fault })
  }
  if (commands.faults.length > 0 || logged.faults.length > 0) throw new StepFailure('')
  return { ...logged.state, ...commands.state }
}
