/** Planning: decides what a run will execute and checks it before anything runs. Pure, except for
 *  reading the files of actions and called workflows. */
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReusableWorkflowJob } from '@actions/workflow-parser/model/workflow-template'
import { findAction, type ParsedAction } from './action-file.ts'
import { bounds } from '../bounds.ts'
import { findCalled, type WorkflowSource } from './called-file.ts'
import type { RepositoryPlace, WorkflowPlace } from '../expression/contexts.ts'
import { formatProblem, problemAt, problemsIn, startOf, type Problem } from './problem.ts'
import { readStrategy } from './strategy.ts'
import { positionOf } from './schema.ts'
import { resolveUses } from './uses.ts'
import { isLiteral, sourceOf } from './template.ts'
import type { Job, Step, Workflow } from './workflow-file.ts'

export interface PlanOptions {
  /** Ids of the jobs to run, together with what they need; empty means all. */
  jobs: string[]
  /** Place of the workflow. `./` actions are looked up in its repository before the run. */
  place: WorkflowPlace
  actions: ReadonlyMap<string, string>
  /** Skips jobs and steps that cannot run here instead of rejecting the workflow. */
  skipUnknown: boolean
}

export interface PlannedStep {
  step: Step
  /** Why the step is skipped; undefined when it runs. */
  skipReason: string | undefined
}

export interface PlannedJob {
  job: Job
  steps: PlannedStep[]
  /** The workflow that the job calls, which it does instead of running steps. */
  called: PlannedWorkflow | undefined
  skipReason: string | undefined
}

export interface PlannedWorkflow {
  workflow: Workflow
  place: WorkflowPlace
  /** Each after the jobs it needs. */
  jobs: PlannedJob[]
}

/** State of planning one run. */
interface Planning {
  options: PlanOptions
  /** Changes: without duplicates, which arise when a workflow is called several times. */
  problems: Map<string, Problem>
  /** Changes: real paths of the called workflows. */
  called: Set<string>
  /** Changes: how many jobs have been planned. */
  jobs: number
  /** Changes: what prevents composite actions from running, by file and use. Actions that use each
   *  other several times would otherwise multiply. */
  composites: Map<string, Problem[]>
}

/** The jobs to run, each after the jobs it needs. */
export type Plan = { jobs: PlannedJob[] } | { problems: Problem[] }

export async function planWorkflow(workflow: Workflow, options: PlanOptions): Promise<Plan> {
  const selected = selectJobs(workflow, options.jobs)
  if ('problems' in selected) return selected
  const planning: Planning = {
    options,
    problems: new Map(),
    called: new Set(),
    jobs: 0,
    composites: new Map(),
  }
  const source = {
    workflow,
    place: options.place,
    // A pipe has no real path.
    chain: [await realpath(workflow.file).catch(() => workflow.file)],
  }
  const jobs = await planJobs(selected.jobs, source, planning)
  return planning.problems.size > 0 ? { problems: [...planning.problems.values()] } : { jobs }
}

async function planJobs(
  jobs: Job[],
  source: WorkflowSource,
  planning: Planning,
): Promise<PlannedJob[]> {
  const planned: PlannedJob[] = []
  for (const job of inOrderOfNeeds(jobs)) planned.push(await planJob(job, source, planning))
  return planned
}

function selectJobs(
  workflow: Workflow,
  wanted: string[],
): { jobs: Job[] } | { problems: Problem[] } {
  if (wanted.length === 0) return { jobs: workflow.jobs }
  const byId = new Map(workflow.jobs.map((job) => [job.id, job]))
  const unknown = wanted.filter((id) => !byId.has(id))
  if (unknown.length > 0) {
    const known = [...byId.keys()].join(', ')
    const start = startOf(workflow.file)
    return {
      problems: unknown.map((id) =>
        problemAt(start, `no job '${id}' in this workflow; its jobs are ${known}`),
      ),
    }
  }
  const kept = new Set<string>()
  const keep = (id: string): void => {
    if (kept.has(id)) return
    kept.add(id)
    for (const need of byId.get(id)?.needs ?? []) keep(need)
  }
  for (const id of wanted) keep(id)
  return { jobs: workflow.jobs.filter((job) => kept.has(job.id)) }
}

/** The parser has rejected cycles and unknown needs, so each round finds a job that is ready. */
function inOrderOfNeeds(jobs: Job[]): Job[] {
  const ordered: Job[] = []
  const done = new Set<string>()
  let waiting = jobs
  while (waiting.length > 0) {
    const ready = waiting.filter((job) => job.needs.every((need) => done.has(need)))
    if (ready.length === 0) throw new RangeError('the needs of the jobs form a cycle')
    for (const job of ready) done.add(job.id)
    ordered.push(...ready)
    waiting = waiting.filter((job) => !done.has(job.id))
  }
  return ordered
}

async function planJob(job: Job, source: WorkflowSource, planning: Planning): Promise<PlannedJob> {
  const { options } = planning
  const report = (found: Problem[], subject = `job '${job.id}'`): void => {
    for (const problem of found) {
      const named = { ...problem, message: `${subject}: ${problem.message}` }
      planning.problems.set(formatProblem(named), named)
    }
  }
  // Skip reasons stand beside their job or step, so only problems name it.
  const reportUnlessSkipped = (found: Problem[], what: 'job' | 'step', subject?: string): void => {
    if (options.skipUnknown) return
    const hinted = found.map(({ message, ...at }) =>
      problemAt(at, `${message}; --skip-unknown skips the ${what}`),
    )
    report(hinted, subject)
  }
  report(await strategyProblems(job))
  const unsupported = job.unsupported.map(({ what, position }) =>
    problemAt(position, `trove run does not support ${what}`),
  )
  let called: PlannedWorkflow | undefined
  if (job.call !== undefined) {
    const found = await planCall(job.call, source, planning)
    if ('problems' in found) report(found.problems)
    else if ('unavailable' in found) unsupported.push(found.unavailable)
    else called = found
  }
  reportUnlessSkipped(unsupported, 'job')
  const steps: PlannedStep[] = []
  for (const step of job.steps) {
    const found = await stepProblems(step, planning, {
      workflow: source.place,
      home: source.place,
      depth: 0,
    })
    reportUnlessSkipped(found, 'step', `job '${job.id}', step '${describeStep(step)}'`)
    steps.push({ step, skipReason: reasonOf(found) })
  }
  return { job, steps, called, skipReason: reasonOf(unsupported) }
}

async function planCall(
  call: ReusableWorkflowJob,
  caller: WorkflowSource,
  planning: Planning,
): Promise<PlannedWorkflow | { problems: Problem[] } | { unavailable: Problem }> {
  const found = await findCalled(call, caller, planning.options.actions)
  if (!('workflow' in found)) return found
  planning.called.add(found.chain.at(-1) ?? '')
  planning.jobs += found.workflow.jobs.length
  const excess =
    planning.called.size > bounds.calledWorkflowsMax
      ? `the run calls more than ${bounds.calledWorkflowsMax} different workflows`
      : planning.jobs > bounds.plannedJobsMax
        ? `called workflows add more than ${bounds.plannedJobsMax} jobs to the run`
        : undefined
  if (excess !== undefined)
    return { problems: [problemAt(positionOf(caller.workflow.file, call.ref), excess)] }
  const { workflow, place } = found
  return { workflow, place, jobs: await planJobs(workflow.jobs, found, planning) }
}

/** A matrix that contains expressions is checked only when its job starts. */
async function strategyProblems({ strategy }: Job): Promise<Problem[]> {
  if (strategy === undefined || !isLiteral(strategy)) return []
  return await problemsIn(() => readStrategy(strategy, { contexts: {} }))
}

function reasonOf(problems: Problem[]): string | undefined {
  return problems.length === 0 ? undefined : problems.map(formatProblem).join('; ')
}

/** Where a step is defined. */
interface Within {
  workflow: RepositoryPlace
  /** Repository of the file: the workflow's or that of a composite action. */
  home: RepositoryPlace
  /** Of composite actions in each other. */
  depth: number
}

/** Returns what prevents a step from running here: an unavailable action, or one used by its
 *  composite action. */
async function stepProblems(step: Step, planning: Planning, within: Within): Promise<Problem[]> {
  if (step.kind === 'run') return []
  const { options } = planning
  const resolved = resolveUses(step.uses, options.actions, within.home)
  const unavailable = (reason: string): Problem[] => [
    problemAt(step.position, `cannot run '${step.uses}': ${reason}`),
  ]
  switch (resolved.kind) {
    case 'built-in':
      return []
    case 'unsupported': {
      const { reason, advice } = resolved
      return unavailable(advice === undefined ? reason : `${reason}; ${advice}`)
    }
    case 'directory': {
      const parsed = await findAction(resolved.directory)
      if (parsed === undefined) return unavailable(`no action.yml in ${resolved.directory}`)
      return await actionProblems(parsed, step, planning, { ...within, home: resolved.home })
    }
    case 'workspace': {
      // An earlier step may still create it, so a missing file is reported when the step runs.
      const parsed = await findAction(join(options.place.directory, resolved.path))
      return parsed === undefined
        ? []
        : await actionProblems(parsed, step, planning, { ...within, home: within.workflow })
    }
  }
}

async function actionProblems(
  parsed: ParsedAction,
  step: Step,
  planning: Planning,
  within: Within,
): Promise<Problem[]> {
  if ('problems' in parsed) return parsed.problems
  const { file, runs } = parsed.action
  if (runs.kind === 'unsupported') {
    const message = `${file} uses '${runs.using}', which trove run does not support`
    return [problemAt(step.position, message)]
  }
  if (runs.kind === 'javascript') return []
  if (within.depth >= bounds.compositeDepthMax) {
    const message = `composite actions are nested more than ${bounds.compositeDepthMax} levels deep`
    return [problemAt(step.position, message)]
  }
  const inside = { ...within, depth: within.depth + 1 }
  const use = JSON.stringify([file, inside])
  const known = planning.composites.get(use)
  if (known !== undefined) return known
  const problems = new Map<string, Problem>()
  for (const inner of runs.steps) {
    for (const problem of await stepProblems(inner, planning, inside))
      problems.set(formatProblem(problem), problem)
  }
  const found = [...problems.values()]
  planning.composites.set(use, found)
  return found
}

/** Name of a step in messages before it runs: its name as written, its id, or what it does. */
export function describeStep(step: Step): string {
  if (step.name !== undefined) return sourceOf(step.name)
  if (!step.id.startsWith('__')) return step.id
  return step.kind === 'uses' ? step.uses : firstLine(sourceOf(step.script))
}

/** The first line that is not blank. */
export function firstLine(text: string): string {
  return (
    text
      .split(/\r?\n/)
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  )
}
