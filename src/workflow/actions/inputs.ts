/** Action inputs: values from `with:`, defaults, and the text forms that the toolkit accepts. */
import type { ActionFile } from '../file/action-file.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import { evaluateText, evaluateTextMap } from '../file/template.ts'
import type { UsesStep } from '../file/workflow-file.ts'

/** Inputs of a built-in action. Names are case-insensitive. */
export interface Inputs {
  /** Trimmed; '' when absent. */
  text(name: string): string
  /** Errors: StepFailure. */
  required(name: string): string
  /** Accepts the booleans of the YAML 1.2 core schema, as `getBooleanInput` of the toolkit does.
   *  Errors: StepFailure. */
  boolean(name: string): boolean
  /** Parsed by JavaScript's parseInt; undefined when absent. Errors: StepFailure. */
  integer(name: string): number | undefined
}

/** Evaluates the inputs of a built-in action. `defaults` lists every known input, with '' for no
 *  default. */
export async function readBuiltInInputs(
  body: StepBody,
  step: UsesStep,
  defaults: Record<string, string>,
): Promise<Inputs> {
  const given = await evaluateTextMap(step.inputs, body.expressions)
  warnOfUnknown(body, Object.keys(given), Object.keys(defaults))
  const values = new Map(Object.entries(defaults))
  for (const [name, value] of Object.entries(given)) values.set(name.toLowerCase(), value)
  const text = (name: string): string => (values.get(name) ?? '').trim()
  return {
    text,
    required: (name) => {
      const value = text(name)
      if (value === '') throw new StepFailure(`Input required and not supplied: ${name}`)
      return value
    },
    boolean: (name) => {
      const value = text(name)
      if (/^(?:true|True|TRUE)$/.test(value)) return true
      if (/^(?:false|False|FALSE)$/.test(value)) return false
      throw new StepFailure(`Input ${name} must be true or false, got ${JSON.stringify(value)}`)
    },
    integer: (name) => {
      const value = text(name)
      if (value === '') return undefined
      const parsed = Number.parseInt(value, 10)
      if (Number.isNaN(parsed))
        throw new StepFailure(`Input ${name} must be a number, got ${JSON.stringify(value)}`)
      return parsed
    },
  }
}

/** Evaluates the inputs of an action in a directory: values of `with:` first, then defaults. Known
 *  names take the spelling of the action file; unknown ones keep theirs. */
export async function readActionInputs(
  body: StepBody,
  step: UsesStep,
  action: ActionFile,
): Promise<Record<string, string>> {
  const { log } = body
  const given = await evaluateTextMap(step.inputs, body.expressions)
  const known = new Map(action.inputs.map((input) => [input.name.toLowerCase(), input]))
  const inputs: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    const input = known.get(name.toLowerCase())
    if (input?.deprecationMessage !== undefined) {
      const message = `Input '${name}' has been deprecated with message: ${input.deprecationMessage}`
      log.annotate({ level: 'warning', message })
    }
    inputs[input?.name ?? name] = value
  }
  const names = action.inputs.map(({ name }) => name)
  warnOfUnknown(body, Object.keys(given), names)
  for (const input of action.inputs) {
    if (Object.hasOwn(inputs, input.name) || input.default === undefined) continue
    inputs[input.name] = await evaluateText(input.default, body.expressions)
  }
  return inputs
}

function warnOfUnknown({ log }: StepBody, given: string[], known: string[]): void {
  const valid = new Set(known.map((name) => name.toLowerCase()))
  const unknown = given.filter((name) => !valid.has(name.toLowerCase()))
  if (unknown.length === 0) return
  const message = `Unexpected input(s) '${unknown.join("', '")}', valid inputs are ['${known.join("', '")}']`
  log.annotate({ level: 'warning', message })
}

/** Returns the INPUT_* variables: names in upper case, spaces replaced by underscores, everything
 *  else unchanged. */
export function inputVariables(inputs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
      value,
    ]),
  )
}
