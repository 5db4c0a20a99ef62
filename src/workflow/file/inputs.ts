/** Inputs of a run on `workflow_dispatch` or `workflow_call`, and of a workflow that a job calls:
 *  given values, else the workflow's defaults, in the declared types. Invalid values are rejected,
 *  as on GitHub. */
import type { ReusableWorkflowJob } from '@actions/workflow-parser/model/workflow-template'
import { textOf, type Json, type Scope } from '../expression/expression.ts'
import {
  EvaluationError,
  problemAt,
  problemsIn,
  startOf,
  type Position,
  type Problem,
} from './problem.ts'
import { evaluateTemplate, evaluateText, isLiteral, placeOf, type Template } from './template.ts'
import type { WorkflowInput } from './triggers.ts'

export interface RunInputs {
  /** As in the payload of `workflow_dispatch`, where booleans are text: workflows test
   *  `github.event.inputs.deep == 'true'`. */
  texts: Record<string, string>
  /** As in the `inputs` context. */
  values: { [key: string]: Json }
}

/** `scope` evaluates defaults, which may be expressions. Problems about undeclared inputs are
 *  reported at `workflow`. */
export async function readInputs(
  declared: WorkflowInput[],
  given: Readonly<Record<string, string>>,
  { scope, workflow }: { scope: Scope; workflow: Position },
): Promise<RunInputs & { problems: Problem[] }> {
  const names = new Set(declared.map(({ name }) => name))
  const problems = Object.keys(given)
    .filter((name) => !names.has(name))
    .map((name) => problemAt(workflow, `unknown input '${name}'`))
  const texts: RunInputs['texts'] = {}
  const values: RunInputs['values'] = {}
  for (const input of declared) {
    const read = async (): Promise<void> => {
      const { name } = input
      const text = Object.hasOwn(given, name) ? given[name] : await defaultOf(input, scope)
      const fault = faultOf(input, text)
      if (fault !== undefined) throw new EvaluationError(input.position, fault)
      texts[name] = text ?? input.absent
      values[name] = typed(input, texts[name])
    }
    problems.push(...(await problemsIn(read)))
  }
  return { texts, values, problems }
}

async function defaultOf(input: WorkflowInput, scope: Scope): Promise<string | undefined> {
  return input.default === undefined ? undefined : await evaluateText(input.default, scope)
}

function faultOf(
  { name, type, required, options }: WorkflowInput,
  text: string | undefined,
): string | undefined {
  if (text === undefined)
    return required ? `input '${name}' is required; pass it with --input ${name}=VALUE` : undefined
  const allowed = type === 'boolean' ? ['true', 'false'] : options
  if (allowed.length > 0 && !allowed.includes(text))
    return `input '${name}' must be one of ${allowed.join(', ')}, got '${text}'`
  if (type === 'number' && (text.trim() === '' || Number.isNaN(Number(text))))
    return `input '${name}' must be a number, got '${text}'`
  return undefined
}

function typed({ type }: WorkflowInput, text: string): Json {
  if (type === 'boolean') return text === 'true'
  return type === 'number' && text !== '' ? Number(text) : text
}

/** An input that a job passes to the workflow it calls. */
interface PassedInput {
  input: WorkflowInput
  value: Template
}

/** Names are case-insensitive. Leaves out undeclared inputs, which the parser reports. */
function passedInputs(
  declared: WorkflowInput[],
  call: ReusableWorkflowJob,
  file: string,
): PassedInput[] {
  return [...(call['input-values'] ?? [])].flatMap(({ key, value }) => {
    const name = key.toString().toLowerCase()
    const input = declared.find((each) => each.name.toLowerCase() === name)
    return input === undefined ? [] : [{ input, value: { token: value, file } }]
  })
}

/** Unlike the text given to a run, values of a call are not converted to booleans or numbers.
 *  Errors: EvaluationError. */
async function evaluatePassed({ input, value }: PassedInput, scope: Scope): Promise<Json> {
  const evaluated = await evaluateTemplate(value, scope)
  const { name, type } = input
  const text = textOf(evaluated)
  if (type === 'string' && text !== undefined) return text
  if (type !== 'string' && typeof evaluated === type) return evaluated
  const found = text === undefined ? 'an object or array' : JSON.stringify(evaluated)
  const message = `input '${name}' must be a ${type}, got ${found}`
  throw new EvaluationError(placeOf(value), message)
}

/** Returns what is wrong with the values that are known before the run. */
export async function findPassedFaults(
  declared: WorkflowInput[],
  call: ReusableWorkflowJob,
  file: string,
): Promise<Problem[]> {
  const known = passedInputs(declared, call, file).filter(({ value }) => isLiteral(value))
  const found = known.map((passed) => problemsIn(() => evaluatePassed(passed, { contexts: {} })))
  return (await Promise.all(found)).flat()
}

/** Returns the `inputs` context of a called workflow. `scope` evaluates the values, `defaults` the
 *  workflow's defaults. Errors: EvaluationError. */
export async function readPassedInputs(
  declared: WorkflowInput[],
  { call, file }: { call: ReusableWorkflowJob; file: string },
  { scope, defaults }: { scope: Scope; defaults: Scope },
): Promise<{ [key: string]: Json }> {
  const passed = passedInputs(declared, call, file)
  const given = new Set(passed.map(({ input }) => input))
  const absent = declared.filter((input) => !given.has(input))
  const at = { scope: defaults, workflow: startOf(file) }
  const { values, problems } = await readInputs(absent, {}, at)
  const [problem] = problems
  if (problem !== undefined) throw new EvaluationError(problem, problem.message)
  for (const each of passed) values[each.input.name] = await evaluatePassed(each, scope)
  return values
}
