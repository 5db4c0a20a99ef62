/** A job that calls another workflow: what the called workflow gets from the job, and what the job
 *  gets back. */
import type { ReusableWorkflowJob } from '@actions/workflow-parser/model/workflow-template'
import type { Conclusion } from '../../core/run/run-record.ts'
import type { Engine } from '../engine.ts'
import type { Json, Scope } from '../expression/expression.ts'
import { readPassedInputs } from '../file/inputs.ts'
import type { JobInstance } from './job.ts'
import { mintRuntimeToken } from './open-job.ts'
import type { PlannedWorkflow } from '../file/plan.ts'
import { evaluateText, evaluateTextMap } from '../file/template.ts'
import type { Workflow } from '../file/workflow-file.ts'

/** Returns the engine of the workflow that an instance calls. The called workflow sees the
 *  caller's `github` and `vars`, and nothing of its `env`. Errors: EvaluationError, those of
 *  minting a token. */
export async function openCall(
  engine: Engine,
  { workflow, place }: PlannedWorkflow,
  instance: JobInstance,
): Promise<Engine> {
  const { call, position } = instance.planned.job
  if (call === undefined) throw new TypeError(`${instance.reference.key} calls no workflow`)
  const { expressions } = instance
  const { github = null, vars = null } = expressions.contexts
  const inputs = await readPassedInputs(
    workflow.inputs.get('workflow_call') ?? [],
    { call, file: position.file },
    { scope: expressions, defaults: { contexts: { github, vars } } },
  )
  return {
    ...engine,
    caller: instance.reference,
    workflowEnv: workflow.env,
    workflowDefaults: workflow.defaults,
    inputs,
    secrets: await readSecrets(engine, instance, call),
    workflowPlace: place,
    // A cancelled run evaluates the condition of each called job again, whatever that of the call.
    cancel: AbortSignal.any([engine.cancel, instance.cancel]),
  }
}

/** Returns the secrets of a called workflow. The job that passes them gets a token, which they may
 *  contain. A GITHUB_TOKEN given to the run reaches every workflow, as GitHub's own does. */
async function readSecrets(
  engine: Engine,
  { reference, expressions, planned }: JobInstance,
  call: ReusableWorkflowJob,
): Promise<Readonly<Record<string, string>>> {
  if (call['inherit-secrets'] === true) return engine.secrets
  const { GITHUB_TOKEN: given } = engine.secrets
  const own = given === undefined ? {} : { GITHUB_TOKEN: given }
  const token = call['secret-values']
  if (token === undefined) return own
  const secrets = {
    ...engine.secrets,
    GITHUB_TOKEN: given ?? (await mintRuntimeToken(engine, reference)),
  }
  const passed = await evaluateTextMap(
    { token, file: planned.job.position.file },
    { ...expressions, contexts: { ...expressions.contexts, secrets } },
  )
  for (const value of Object.values(passed)) engine.masker.add(value)
  return { ...passed, ...own }
}

/** What expressions of a workflow can access outside its jobs. */
export function workflowScope(engine: Pick<Engine, 'githubOfRun' | 'vars' | 'inputs'>): Scope {
  const { githubOfRun: github, vars, inputs } = engine
  return { contexts: { github, vars: { ...vars }, inputs } }
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
  const contexts = { ...workflowScope(engine).contexts, jobs: ended }
  const values: Record<string, string> = {}
  for (const [name, value] of workflow.outputs)
    values[name] = await evaluateText(value, { contexts })
  return values
}
