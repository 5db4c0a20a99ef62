/** Runs a workflow: reads and checks the file, then runs its jobs. The only entry point of this
 *  folder. */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import pLimit from 'p-limit'
import { readNamedText } from '../client/files/file-error.ts'
import type { Conclusion } from '../core/run/run-record.ts'
import type { ArtifactStore } from './artifacts.ts'
import { makeDirectories } from '../make-directories.ts'
import { bounds } from './bounds.ts'
import { workflowScope } from './job/call.ts'
import { createGroups, readGroup } from './job/concurrency.ts'
import { githubContext, type WorkflowRun } from './expression/contexts.ts'
import type { ArtifactEndpoint, Engine } from './engine.ts'
import { createEmit, type JobReference, type RunSink } from './events.ts'
import { createGlobber } from './glob/glob.ts'
import { readInputs, type RunInputs } from './file/inputs.ts'
import type { JobResult } from './job/job.ts'
import { concludeJobs } from './job/job-outcome.ts'
import { createMasker } from './step/mask.ts'
import { planWorkflow, type PlannedWorkflow } from './file/plan.ts'
import { killMarked, type Grace, type Room } from './step/process.ts'
import { EvaluationError, problemAt, startOf, WorkflowError, type Problem } from './file/problem.ts'
import { removeTree } from './remove-tree.ts'
import { runJobs } from './job/schedule.ts'
import { parseWorkflow, type Workflow } from './file/workflow-file.ts'

export interface RunOptions {
  /** Path of the workflow file; messages use it as given. */
  workflowFile: string
  /** What checkout copies, and where `./` actions are looked up before the run. Absolute. */
  repositoryDirectory: string
  /** Parent of the job directories. Created when missing; everything the run creates is removed at
   *  the end. Absolute. */
  workDirectory: string
  keepWorkDirectory?: boolean
  /** Facts about the run. Default of `event`: `push` if the workflow has it, else its first
   *  event. */
  facts: Omit<WorkflowRun, 'event'> & { event?: string }
  /** Variables that steps inherit: PATH, HOME and so on. */
  environment: Readonly<Record<string, string>>
  secrets?: Readonly<Record<string, string>>
  vars?: Readonly<Record<string, string>>
  /** Inputs of `workflow_dispatch` or `workflow_call`, as text. */
  inputs?: Readonly<Record<string, string>>
  /** Runs only these jobs and what they need. */
  jobs?: string[]
  /** Directories of actions, keyed by `owner/repo@ref` or `owner/repo`. */
  actions?: ReadonlyMap<string, string>
  /** Skips what cannot run here instead of rejecting the workflow. */
  skipUnknown?: boolean
  /** Maximum concurrent job instances. Default: the number of processors, at least 2. */
  jobsMax?: number
  debug?: boolean
  /** For JavaScript actions. */
  service?: ArtifactEndpoint
  /** For the built-in artifact actions. */
  openArtifacts?: (job: JobReference) => Promise<ArtifactStore>
  sinks?: RunSink[]
  /** Returns undefined while the sinks can take more, else a promise; steps that write wait for
   *  it. */
  room?: Room
  /** Cancels the run: running steps are stopped, steps and jobs with `always()` still run. */
  signal?: AbortSignal
  /** Stops everything immediately. */
  kill?: AbortSignal
  grace?: Grace
  /** Epoch milliseconds. */
  now?: () => number
}

export interface RunResult {
  conclusion: Conclusion
  /** All instances, in the order of the file. */
  jobs: JobResult[]
  durationMs: number
}

/** Runs a workflow to completion; a failing workflow is a result, not a rejection.
 *  Errors: WorkflowError, before anything has run, when the file cannot be run; errors of sinks. */
export async function runWorkflow(options: RunOptions): Promise<RunResult> {
  const prepared = await prepareWorkflow(options)
  const { workflow, jobs } = prepared
  const now = options.now ?? Date.now
  const broken = new AbortController()
  const engine = await holdGroup(createEngine(options, prepared, now, broken), workflow)
  const startedAt = now()
  const onExit = (): void => cleanUpNow(engine)
  process.on('exit', onExit)
  engine.emit({
    type: 'run-started',
    workflow: workflow.name,
    event: engine.facts.event,
    jobs: jobs.map(({ job }) => ({ id: job.id, needs: job.needs })),
  })
  try {
    makeDirectories(options.workDirectory)
    const outcomes = await runJobs(engine, jobs)
    const conclusion = concludeJobs(outcomes, engine.cancel)
    const durationMs = now() - startedAt
    engine.emit({ type: 'run-finished', conclusion, durationMs })
    broken.signal.throwIfAborted()
    return { conclusion, jobs: outcomes.flatMap((outcome) => outcome.instances), durationMs }
  } finally {
    await engine.globber.close()
    process.off('exit', onExit)
    if (!engine.keepWorkDirectory) await removeTree(options.workDirectory)
  }
}

/** Runs when the program exits before the run has ended. Removes its processes and its scripts,
 *  which may contain secrets. */
function cleanUpNow(engine: Engine): void {
  killMarked(engine.marker)
  if (engine.keepWorkDirectory) return
  try {
    // A killed process may take a moment to end and writes until then, hence the retries.
    rmSync(engine.workDirectory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  } catch {
    // The program is exiting for another reason, and nobody is left to report this error to.
  }
}

type PlanningOptions = Omit<RunOptions, 'workDirectory'>

interface PreparedWorkflow extends PlannedWorkflow {
  event: string
  inputs: RunInputs
}

/** Reads and plans without running: what `--dry-run` shows. Errors: FileError, WorkflowError. */
export async function prepareWorkflow(options: PlanningOptions): Promise<PreparedWorkflow> {
  const { workflowFile } = options
  const parsed = parseWorkflow(workflowFile, await readNamedText(workflowFile))
  if ('problems' in parsed) throw new WorkflowError(parsed.problems)
  const { workflow } = parsed
  const { repository, workflowPath: path, ref, sha } = options.facts
  const place = { repository, path, ref, sha, directory: options.repositoryDirectory }
  const plan = await planWorkflow(workflow, {
    jobs: options.jobs ?? [],
    place,
    actions: options.actions ?? new Map(),
    skipUnknown: options.skipUnknown ?? false,
  })
  const event = eventOf(workflow, options)
  const { problems: inputProblems, ...inputs } = await inputsOf(workflow, event, options)
  const problems = [
    ...callProblems(workflow, event, options),
    ...inputProblems,
    ...('problems' in plan ? plan.problems : []),
  ]
  if (problems.length > 0 || 'problems' in plan) throw new WorkflowError(problems)
  return { workflow, place, jobs: plan.jobs, event, inputs }
}

async function inputsOf(
  workflow: Workflow,
  event: string,
  options: PlanningOptions,
): Promise<RunInputs & { problems: Problem[] }> {
  const declared = workflow.inputs.get(event)
  if (declared === undefined) return { texts: {}, values: {}, problems: [] }
  const github = githubContext({ ...options.facts, event }, workflow.name)
  const scope = { contexts: { github, vars: { ...options.vars } } }
  return await readInputs(declared, options.inputs ?? {}, {
    scope,
    workflow: startOf(workflow.file),
  })
}

/** Returns what is wrong with the event and with the inputs and secrets given for it. */
function callProblems(workflow: Workflow, event: string, options: PlanningOptions): Problem[] {
  const start = startOf(workflow.file)
  const problems: Problem[] = []
  if (options.facts.event !== undefined && !workflow.events.includes(event)) {
    problems.push(
      problemAt(
        start,
        `the workflow does not run on '${event}'; its events are ${workflow.events.join(', ')}`,
      ),
    )
  }
  if (!workflow.inputs.has(event) && Object.keys(options.inputs ?? {}).length > 0) {
    const events = [...workflow.inputs.keys()].join(' and ')
    const message = `inputs are given, but the event is '${event}'; only ${events} take inputs`
    problems.push(problemAt(start, message))
  }
  if (event !== 'workflow_call') return problems
  const given = new Set(Object.keys(options.secrets ?? {}).map((name) => name.toLowerCase()))
  const missing = workflow.requiredSecrets.filter(({ name }) => !given.has(name.toLowerCase()))
  return [
    ...problems,
    ...missing.map(({ name, position }) =>
      problemAt(position, `secret '${name}' is required; pass it with --secret ${name}`),
    ),
  ]
}

function eventOf(workflow: Workflow, options: PlanningOptions): string {
  const { event } = options.facts
  return event ?? (workflow.events.includes('push') ? 'push' : (workflow.events[0] ?? 'push'))
}

/** The workflow of the run holds its concurrency group throughout. Errors: WorkflowError. */
async function holdGroup(engine: Engine, { concurrency }: Workflow): Promise<Engine> {
  try {
    const group = await readGroup(concurrency, workflowScope(engine))
    if (group === undefined) return engine
    return { ...engine, heldGroups: new Map([[group, 'top level workflow']]) }
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error
    throw new WorkflowError([error.problem])
  }
}

/** `broken` is aborted with the error of a sink; the run then ends at once. */
function createEngine(
  options: RunOptions,
  { workflow, place, event, inputs }: PreparedWorkflow,
  now: () => number,
  broken: AbortController,
): Engine {
  const secrets = options.secrets ?? {}
  const masker = createMasker(Object.values(secrets))
  const { payload: given } = options.facts
  // A called workflow sees the event of its caller.
  const payload = event === 'workflow_dispatch' ? { ...given, inputs: inputs.texts } : given
  const facts: WorkflowRun = { ...options.facts, event, payload }
  return {
    caller: undefined,
    facts,
    githubOfRun: githubContext(facts, workflow.name),
    workflowPlace: place,
    workflowEnv: workflow.env,
    workflowDefaults: workflow.defaults,
    environment: options.environment,
    secrets,
    vars: options.vars ?? {},
    inputs: inputs.values,
    actions: options.actions ?? new Map(),
    repositoryDirectory: options.repositoryDirectory,
    workDirectory: options.workDirectory,
    keepWorkDirectory: options.keepWorkDirectory ?? false,
    marker: `trove_${randomUUID()}`,
    debug: options.debug ?? false,
    endpoint: options.service,
    openArtifacts: options.openArtifacts,
    grace: options.grace ?? {
      interruptMs: bounds.interruptGraceMs,
      terminateMs: bounds.terminateGraceMs,
    },
    masker,
    slots: pLimit(options.jobsMax ?? Math.max(2, availableParallelism())),
    groups: createGroups(),
    heldGroups: new Map(),
    emit: createEmit({ sinks: options.sinks ?? [], mask: masker.mask, now, broken }),
    room: options.room ?? (() => undefined),
    globber: createGlobber(),
    now,
    cancel: options.signal ?? new AbortController().signal,
    kill:
      options.kill === undefined ? broken.signal : AbortSignal.any([options.kill, broken.signal]),
  }
}
