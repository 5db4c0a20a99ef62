/** Inputs of a run on `workflow_dispatch` or `workflow_call`: values from the caller, else the
 *  workflow's defaults, converted to the declared types. Invalid values are rejected, as on
 *  GitHub. */
import type { Json, Scope } from './expression.ts'
import { EvaluationError, problemAt, type Position, type Problem } from './problem.ts'
import { evaluateText } from './template.ts'
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
    try {
      const { name } = input
      const text = given[name] ?? (await defaultOf(input, scope))
      const fault = faultOf(input, text)
      if (fault !== undefined) problems.push(problemAt(input.position, fault))
      texts[name] = text ?? input.absent
      values[name] = typed(input, texts[name])
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error
      problems.push(error.problem)
    }
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
  if (text === undefined) return required ? `input '${name}' is required` : undefined
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
