/** A job that calls another workflow: what the called workflow gets from the job, and what the job
 *  gets back. */
import type { MappingToken } from '@actions/workflow-parser/templates/tokens/index'
import type { Conclusion } from '../core/run-record.ts'
import type { Engine } from './engine.ts'
import type { Json, Scope } from './expression.ts'
import { readPassedInputs } from './inputs.ts'
import type { JobInstance } from './job.ts'
import { mintRuntimeToken } from './open-job.ts'
import { evaluateText, evaluateTextMap, isLiteral } from './template.ts'
import type { Workflow } from './workflow-file.ts'

/** Returns the engine of the workflow that an instance calls. The called workflow sees the
 *  caller's `github` and `vars`, and nothing of its `env`. `group` is the concurrency group of the
 *  instance. Errors: EvaluationError, those of minting a token. */
export async function openCall(
  engine: Engine,
  workflow: Workflow,
  instance: JobInstance,
  group: string | undefined,
): Promise<Engine> {
  const { key, name } = instance.reference
  const { call, position } = instance.planned.job
  if (call === undefined) throw new TypeError(`job ${key} calls no workflow`)
  const { file } = position
  const scope = await callScope(engine, instance, [call['input-values'], call['secret-values']])
  const { github, vars } = instance.expressions.contexts
  const inputs = await readPassedInputs(
    workflow.inputs.get('workflow_call') ?? [],
    { call, file },
    { scope, defaults: { contexts: { github: github ?? null, vars: vars ?? null } } },
  )
  const held = engine.caller?.groups ?? []
  return {
    ...engine,
    caller: { key, name, groups: new Set(group === undefined ? held : [...held, group]) },
    workflowEnv: workflow.env,
    workflowDefaults: workflow.defaults,
    inputs,
    secrets:
      call['inherit-secrets'] === true
        ? engine.secrets
        : await readSecrets(engine, call['secret-values'], { scope, file }),
    cancel: instance.cancel,
  }
}

/** Contexts of the values that a job passes. It has a token of its own, since a workflow may pass
 *  on `github.token`. */
async function callScope(
  engine: Engine,
  { reference, expressions, planned }: JobInstance,
  values: (MappingToken | undefined)[],
): Promise<Scope> {
  const { file } = planned.job.position
  if (values.every((token) => token === undefined || isLiteral({ token, file }))) return expressions
  const token = engine.secrets['GITHUB_TOKEN'] ?? (await mintRuntimeToken(engine, reference))
  const secrets = { ...engine.secrets, GITHUB_TOKEN: token }
  const github = { ...engine.githubOfRun, token }
  return { ...expressions, contexts: { ...expressions.contexts, github, secrets } }
}

/** A given GITHUB_TOKEN reaches every workflow, as GitHub's own does. */
async function readSecrets(
  { secrets, masker }: Engine,
  token: MappingToken | undefined,
  { scope, file }: { scope: Scope; file: string },
): Promise<Record<string, string>> {
  const passed = await evaluateTextMap(token && { token, file }, scope)
  for (const value of Object.values(passed)) masker.add(value)
  const { GITHUB_TOKEN: given } = secrets
  return given === undefined ? passed : { ...passed, GITHUB_TOKEN: given }
}

/** Evaluates the outputs of a called workflow; `engine` is its own, `jobs` are its jobs. Errors:
 *  EvaluationError. */
export async function readCallOutputs(
  engine: Engine,
  workflow: Workflow,
  jobs: { id: string; result: Conclusion; outputs: Record<string, string> }[],
): Promise<Record<string, string>> {
  const ended: { [id: string]: Json } = Object.fromEntries(
    jobs.map(({ id, result, outputs }) => [id, { result, outputs }]),
  )
  const contexts = {
    github: engine.githubOfRun,
    vars: { ...engine.vars },
    inputs: engine.inputs,
    jobs: ended,
  }
  const values: Record<string, string> = {}
  for (const [name, value] of workflow.outputs)
    values[name] = await evaluateText(value, { contexts })
  return values
}
