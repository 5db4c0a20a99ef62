/** Workflow files: parses YAML into a `Workflow`, or into problems with their positions. Values
 *  that may contain expressions stay tokens of GitHub's parser until a job or step needs them. */
import { convertJobs } from '@actions/workflow-parser/model/converter/jobs'
import type {
  ReusableWorkflowJob,
  Step as ParsedStep,
  WorkflowJob,
} from '@actions/workflow-parser/model/workflow-template'
import type { MappingToken, TemplateToken } from '@actions/workflow-parser/templates/tokens/index'
import {
  isBoolean,
  isMapping,
  isSequence,
  isString,
} from '@actions/workflow-parser/templates/tokens/type-guards'
import type { Position, Problem } from './problem.ts'
import { positionOf, problemsOf, propertyOf, readYaml } from './schema.ts'
import { template, type Condition, type Template } from './template.ts'
import {
  eventsOf,
  inputsOf,
  outputsOf,
  requiredSecretsOf,
  type RequiredSecret,
  type WorkflowInput,
} from './triggers.ts'

export interface RunDefaults {
  shell: Template | undefined
  workingDirectory: Template | undefined
}

interface StepBase {
  /** The id in the workflow, or a generated one that starts with `__`, as runners use for
   *  GITHUB_ACTION. */
  id: string
  position: Position
  name: Template | undefined
  condition: Condition
  env: Template | undefined
  continueOnError: Template | undefined
  timeoutMinutes: Template | undefined
}

export interface RunStep extends StepBase {
  kind: 'run'
  script: Template
  shell: Template | undefined
  workingDirectory: Template | undefined
}

export interface UsesStep extends StepBase {
  kind: 'uses'
  uses: string
  inputs: Template | undefined
}

export type Step = RunStep | UsesStep

export interface Job {
  id: string
  position: Position
  name: Template | undefined
  needs: string[]
  condition: Condition
  strategy: Template | undefined
  runsOn: Template | undefined
  env: Template | undefined
  defaults: RunDefaults
  outputs: Template | undefined
  timeoutMinutes: Template | undefined
  continueOnError: Template | undefined
  concurrency: Template | undefined
  steps: Step[]
  /** The workflow that the job calls, which it does instead of running steps. */
  call: ReusableWorkflowJob | undefined
  /** Features of this job that are not supported here: a container, service containers. */
  unsupported: { what: string; position: Position }[]
  ignored: IgnoredKey[]
}

/** A key that GitHub acts on and Trove ignores, because the workflow's result does not depend on
 *  it. */
export interface IgnoredKey {
  key: string
  position: Position
}

export interface Workflow {
  file: string
  /** `name:`, or the path of the file as given. */
  name: string
  events: string[]
  /** Declared inputs, keyed by event. */
  inputs: ReadonlyMap<string, WorkflowInput[]>
  requiredSecrets: RequiredSecret[]
  /** Outputs for the job that calls it, by name. */
  outputs: ReadonlyMap<string, Template>
  env: Template | undefined
  defaults: RunDefaults
  concurrency: Template | undefined
  jobs: Job[]
  root: MappingToken
  ignored: IgnoredKey[]
}

export type ParsedWorkflow = { workflow: Workflow } | { problems: Problem[] }

/** Parses a workflow. Problems use `file` as its name. */
export function parseWorkflow(file: string, text: string): ParsedWorkflow {
  const read = readYaml('workflow', file, text)
  if (read.root === undefined || read.context.errors.count > 0)
    return { problems: problemsOf(read) }
  const jobs = read.root.find('jobs')
  if (jobs === undefined) return { problems: problemsOf(read) }
  const converted = convertJobs(read.context, withoutEvaluatedEnv(jobs))
  if (read.context.errors.count > 0) return { problems: problemsOf(read) }
  const rawJob = (id: string): MappingToken =>
    jobs.assertMapping('jobs').find(id)!.assertMapping('job')
  const name = read.root.find('name')
  const on = read.root.find('on')
  return {
    workflow: {
      file,
      name: name !== undefined && isString(name) ? name.value : file,
      events: on === undefined ? [] : eventsOf(on),
      inputs: inputsOf(file, on),
      requiredSecrets: requiredSecretsOf(file, on),
      outputs: outputsOf(file, on),
      env: template(file, read.root.find('env')),
      defaults: readDefaults(file, read.root.find('defaults')),
      concurrency: template(file, read.root.find('concurrency')),
      jobs: converted.map((job) => readJob(file, rawJob(job.id.value), job)),
      root: read.root,
      ignored: ignoredIn(file, read.root, ['run-name', 'permissions', 'concurrency']),
    },
  }
}

/** A copy without each `env` that is one expression, such as `env: ${{ matrix.env }}`: GitHub
 *  accepts it, but the converter (0.3.61) asserts a mapping, although only this file reads it. */
function withoutEvaluatedEnv(jobs: TemplateToken): TemplateToken {
  const copy = jobs.clone()
  for (const job of mappingsIn(copy)) {
    for (const holder of [job, ...mappingsIn(job.find('steps'))]) {
      const at = [...holder].findIndex(({ key }) => key.toString() === 'env')
      if (holder.get(at)?.value.isExpression === true) holder.remove(at)
    }
  }
  return copy
}

/** The mappings among the items of a sequence, or among the values of a mapping. */
function mappingsIn(token: TemplateToken | undefined): MappingToken[] {
  if (token === undefined) return []
  if (isMapping(token)) return [...token].map(({ value }) => value).filter(isMapping)
  return isSequence(token) ? [...token].filter(isMapping) : []
}

function ignoredIn(file: string, mapping: MappingToken, keys: string[]): IgnoredKey[] {
  return [...mapping]
    .filter(({ key }) => keys.includes(key.toString()))
    .map(({ key }) => ({ key: key.toString(), position: positionOf(file, key) }))
}

function readJob(file: string, raw: MappingToken, job: WorkflowJob): Job {
  const unsupported: Job['unsupported'] = []
  for (const [key, what] of [
    ['container', 'job containers'],
    ['services', 'service containers'],
    ['snapshot', 'runner image snapshots'],
  ] as const) {
    const token = raw.find(key)
    if (token !== undefined) unsupported.push({ what, position: positionOf(file, token) })
  }
  const steps = [...(raw.find('steps')?.assertSequence('steps') ?? [])] as MappingToken[]
  for (const step of steps) {
    const background = step.find('background')
    const isInBackground = background !== undefined && isBoolean(background) && background.value
    if (isInBackground || isUnsupportedStep(step))
      unsupported.push({ what: 'parallel steps', position: positionOf(file, background ?? step) })
  }
  return {
    id: job.id.value,
    position: positionOf(file, job.id),
    name: template(file, raw.find('name')),
    needs: (job.needs ?? []).map((need) => need.value),
    condition: {
      expression: job.if.expression,
      position: positionOf(file, raw.find('if') ?? job.id),
    },
    strategy: template(file, raw.find('strategy')),
    runsOn: template(file, raw.find('runs-on')),
    env: template(file, raw.find('env')),
    defaults: readDefaults(file, raw.find('defaults')),
    outputs: template(file, raw.find('outputs')),
    timeoutMinutes: template(file, raw.find('timeout-minutes')),
    continueOnError: template(file, raw.find('continue-on-error')),
    concurrency: template(file, raw.find('concurrency')),
    steps: readSteps(file, steps, job.type === 'job' ? job.steps : []),
    call: job.type === 'reusableWorkflowJob' ? job : undefined,
    unsupported,
    ignored: ignoredIn(file, raw, ['environment', 'permissions', 'cancel-timeout-minutes']),
  }
}

/** True for steps without `run` or `uses`: `parallel`, and whatever GitHub's schema may add. */
function isUnsupportedStep(step: MappingToken): boolean {
  return step.find('run') === undefined && step.find('uses') === undefined
}

/** Converted steps have ids and conditions, raw ones everything else; both are in the same
 *  order. */
function readSteps(file: string, items: MappingToken[], converted: ParsedStep[]): Step[] {
  return items.flatMap((item, index) => {
    const step = converted[index]
    if (step === undefined || isUnsupportedStep(item)) return []
    const expression = 'if' in step ? step.if?.expression : undefined
    return [readStep(file, item, step.id, expression)]
  })
}

/** Reads one step of a workflow or of a composite action. `expression` is its converted
 *  condition. */
export function readStep(
  file: string,
  raw: MappingToken,
  id: string,
  expression: string | undefined,
): Step {
  const get = (key: string): Template | undefined => template(file, raw.find(key))
  const base: StepBase = {
    id,
    position: positionOf(file, raw),
    name: get('name'),
    condition: {
      expression: expression ?? 'success()',
      position: positionOf(file, raw.find('if') ?? raw),
    },
    env: get('env'),
    continueOnError: get('continue-on-error'),
    timeoutMinutes: get('timeout-minutes'),
  }
  const uses = raw.find('uses')
  if (uses !== undefined) {
    const position = positionOf(file, uses)
    return {
      ...base,
      position,
      kind: 'uses',
      uses: uses.assertString('uses').value,
      inputs: get('with'),
    }
  }
  const script = raw.find('run')
  if (script === undefined) throw new TypeError('a step without run or uses passed the parser')
  return {
    ...base,
    kind: 'run',
    script: { token: script, file },
    shell: get('shell'),
    workingDirectory: get('working-directory'),
  }
}

function readDefaults(file: string, token: TemplateToken | undefined): RunDefaults {
  const run = propertyOf(token, 'run')
  return {
    shell: template(file, propertyOf(run, 'shell')),
    workingDirectory: template(file, propertyOf(run, 'working-directory')),
  }
}
