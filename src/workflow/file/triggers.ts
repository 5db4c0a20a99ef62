/** `on:` of a workflow: the events it runs on, and the inputs, secrets and outputs that two of them
 *  declare. */
import type { KeyValuePair, TemplateToken } from '@actions/workflow-parser/templates/tokens/index'
import { isMapping, isSequence } from '@actions/workflow-parser/templates/tokens/type-guards'
import type { Position } from './problem.ts'
import { positionOf, propertyOf, textOfToken, textIn } from './schema.ts'
import { template, type Template } from './template.ts'

/** An input of `workflow_dispatch` or `workflow_call`. */
export interface WorkflowInput {
  name: string
  position: Position
  required: boolean
  type: string
  default: Template | undefined
  /** Text used when there is neither a value nor a default. */
  absent: string
  options: string[]
}

/** A secret that `workflow_call` requires. */
export interface RequiredSecret {
  name: string
  position: Position
}

export function eventsOf(on: TemplateToken): string[] {
  if (isMapping(on)) return [...on].map((pair) => pair.key.toString())
  if (isSequence(on)) return [...on].map(textOfToken)
  return [textOfToken(on)]
}

const eventsWithInputs = ['workflow_dispatch', 'workflow_call']

/** Declared inputs, keyed by event. */
export function inputsOf(
  file: string,
  on: TemplateToken | undefined,
): ReadonlyMap<string, WorkflowInput[]> {
  return new Map(
    eventsWithInputs.map((event) => [
      event,
      declaredBy(on, event, 'inputs').map((pair) => inputOf(file, event, pair)),
    ]),
  )
}

function inputOf(file: string, event: string, { key, value }: KeyValuePair): WorkflowInput {
  const type = textIn(value, 'type') ?? 'string'
  const options = propertyOf(value, 'options')
  return {
    name: key.toString(),
    position: positionOf(file, key),
    required: textIn(value, 'required') === 'true',
    type,
    default: template(file, propertyOf(value, 'default')),
    absent: absentText(type, event),
    options: options !== undefined && isSequence(options) ? [...options].map(textOfToken) : [],
  }
}

function absentText(type: string, event: string): string {
  if (type === 'boolean') return 'false'
  return type === 'number' && event === 'workflow_call' ? '0' : ''
}

export function requiredSecretsOf(file: string, on: TemplateToken | undefined): RequiredSecret[] {
  return declaredBy(on, 'workflow_call', 'secrets')
    .filter(({ value }) => textIn(value, 'required') === 'true')
    .map(({ key }) => ({ name: key.toString(), position: positionOf(file, key) }))
}

/** Values of the outputs of `workflow_call`, by name. */
export function outputsOf(
  file: string,
  on: TemplateToken | undefined,
): ReadonlyMap<string, Template> {
  return new Map(
    declaredBy(on, 'workflow_call', 'outputs').flatMap(({ key, value }) => {
      const output = template(file, propertyOf(value, 'value'))
      return output === undefined ? [] : [[key.toString(), output]]
    }),
  )
}

function declaredBy(on: TemplateToken | undefined, event: string, key: string): KeyValuePair[] {
  const declared = propertyOf(propertyOf(on, event), key)
  return declared !== undefined && isMapping(declared) ? [...declared] : []
}
