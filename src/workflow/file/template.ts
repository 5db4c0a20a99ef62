/** Evaluates values of a workflow file when they are needed: tokens, which may contain
 *  expressions, become JSON or text. A value that cannot be evaluated is an `EvaluationError`
 *  with its position. */
import { asError } from '../../core/errors.ts'
import {
  TemplateToken,
  type BasicExpressionToken,
  type MappingToken,
} from '@actions/workflow-parser/templates/tokens/index'
import {
  isBasicExpression,
  isBoolean,
  isMapping,
  isNumber,
  isSequence,
  isString,
} from '@actions/workflow-parser/templates/tokens/type-guards'
import {
  coerceText,
  evaluateExpression,
  isObject,
  isTruthy,
  textOf,
  type Json,
  type Scope,
} from '../expression/expression.ts'
import { EvaluationError, type Position } from './problem.ts'
import { positionOf, textOfToken } from './schema.ts'

/** A value that may contain expressions, not yet evaluated, and its file. */
export interface Template {
  token: TemplateToken
  file: string
}

export function template(file: string, token: TemplateToken | undefined): Template | undefined {
  return token === undefined ? undefined : { token, file }
}

/** A condition. The parser has already added `success() && (…)` where no status function is
 *  called. */
export interface Condition {
  expression: string
  position: Position
}

export function placeOf({ file, token }: Template): Position {
  return positionOf(file, token)
}

/** Errors: EvaluationError. */
export async function evaluateTemplate(template: Template, scope: Scope): Promise<Json> {
  return await evaluateToken(template.token, template.file, scope)
}

/** Evaluates to text; an object or array is an error. Errors: EvaluationError. */
export async function evaluateText(template: Template, scope: Scope): Promise<string> {
  return requireText(await evaluateTemplate(template, scope), placeOf(template))
}

/** Evaluates to a mapping of names to text, as in `env`, `with` and `outputs`. Errors:
 *  EvaluationError. */
export async function evaluateTextMap(
  template: Template | undefined,
  scope: Scope,
): Promise<Record<string, string>> {
  if (template === undefined) return {}
  const position = placeOf(template)
  const value = await evaluateTemplate(template, scope)
  if (!isObject(value)) throw new EvaluationError(position, 'expected a mapping')
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, requireText(item, position)]),
  )
}

/** Evaluates to a number, or undefined when the key is absent or empty. Errors: EvaluationError. */
export async function evaluateNumber(
  template: Template | undefined,
  scope: Scope,
): Promise<number | undefined> {
  if (template === undefined) return undefined
  const text = await evaluateText(template, scope)
  if (text === '') return undefined
  const value = Number(text)
  if (Number.isNaN(value))
    throw new EvaluationError(placeOf(template), `expected a number, got ${JSON.stringify(text)}`)
  return value
}

/** Evaluates to a boolean; false when the key is absent or empty. Errors: EvaluationError. */
export async function evaluateBoolean(
  template: Template | undefined,
  scope: Scope,
): Promise<boolean> {
  if (template === undefined) return false
  const text = await evaluateText(template, scope)
  if (text === '' || text === 'false') return false
  if (text === 'true') return true
  throw new EvaluationError(
    placeOf(template),
    `expected true or false, got ${JSON.stringify(text)}`,
  )
}

/** Errors: EvaluationError. */
export async function evaluateCondition(condition: Condition, scope: Scope): Promise<boolean> {
  return isTruthy(await evaluateAt(condition.expression, condition.position, scope))
}

/** Returns whether the template contains no expressions. */
export function isLiteral({ token }: Template): boolean {
  return [...TemplateToken.traverse(token)].every(([, part]) => !part.isExpression)
}

/** The value as written in the file, expressions included. */
export function sourceOf(template: Template): string {
  const { token } = template
  return isBasicExpression(token) ? (token.source ?? token.toDisplayString()) : textOfToken(token)
}

function requireText(value: Json, position: Position): string {
  const text = textOf(value)
  if (text !== undefined) return text
  const found = Array.isArray(value) ? 'an array' : 'an object'
  throw new EvaluationError(position, `expected text, got ${found}`)
}

async function evaluateAt(expression: string, position: Position, scope: Scope): Promise<Json> {
  try {
    return await evaluateExpression(expression, scope)
  } catch (error) {
    const reason = asError(error).message
    throw new EvaluationError(position, `\${{ ${expression} }}: ${reason}`, { cause: error })
  }
}

async function evaluateToken(token: TemplateToken, file: string, scope: Scope): Promise<Json> {
  if (isBasicExpression(token))
    return await evaluateExpressionToken(token, positionOf(file, token), scope)
  if (isSequence(token)) {
    const items: Json[] = []
    for (const item of token) items.push(await evaluateToken(item, file, scope))
    return items
  }
  if (isMapping(token)) return await evaluateMapping(token, file, scope)
  if (isString(token) || isNumber(token) || isBoolean(token)) return token.value
  return null
}

/** Evaluates the pieces of a text one by one. The parser turns such a text into a single call of
 *  `format`, whose limits on length and arguments a long script exceeds. */
async function evaluateExpressionToken(
  token: BasicExpressionToken,
  position: Position,
  scope: Scope,
): Promise<Json> {
  if (token.originalExpressions === undefined || token.source === undefined) {
    return await evaluateAt(token.expression, position, scope)
  }
  let text = ''
  for (const piece of splitExpressions(token.source)) {
    if (typeof piece === 'string') text += piece
    // As with `format`, an object inside text becomes the name of its type.
    else text += coerceText(await evaluateAt(piece.expression, position, scope))
  }
  return text
}

/** Splits text into literal parts and expressions, in order. `}}` inside single quotes does not end
 *  an expression. */
function splitExpressions(text: string): (string | { expression: string })[] {
  const pieces: (string | { expression: string })[] = []
  let done = 0
  for (const match of text.matchAll(/\$\{\{((?:'[^']*'|[^'])*?)\}\}/g)) {
    pieces.push(text.slice(done, match.index), { expression: (match[1] ?? '').trim() })
    done = match.index + match[0].length
  }
  pieces.push(text.slice(done))
  return pieces
}

/** Keys may be expressions; the key `${{ insert }}` merges the mapping that is its value. */
async function evaluateMapping(token: MappingToken, file: string, scope: Scope): Promise<Json> {
  const result: { [key: string]: Json } = {}
  for (const { key, value } of token) {
    const evaluated = await evaluateToken(value, file, scope)
    const position = positionOf(file, key)
    if (key.isExpression && !isBasicExpression(key)) {
      if (!isObject(evaluated))
        throw new EvaluationError(position, '${{ insert }} requires a mapping as its value')
      Object.assign(result, evaluated)
    } else {
      result[requireText(await evaluateToken(key, file, scope), position)] = evaluated
    }
  }
  return result
}
