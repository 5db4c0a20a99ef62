/** Expressions, evaluated by GitHub's own evaluator: contexts in, a JSON value out. The evaluator
 *  is synchronous but `hashFiles` reads files. So the first call with given patterns throws, is
 *  computed, and the expression is evaluated again. */
import { data, Evaluator, Lexer, Parser } from '@actions/expressions'
import type { FunctionCall } from '@actions/expressions/ast'
import { TokenType, type Token } from '@actions/expressions/lexer'
import type { FunctionDefinition } from '@actions/expressions/funcs/info'
import { equals as equalData } from '@actions/expressions/result'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Status functions. `names` restricts the check to these jobs; an empty list means all. */
interface StatusFunctions {
  success(names: string[]): boolean
  failure(names: string[]): boolean
  cancelled(): boolean
}

/** What an expression can access. A missing context is null, as on a runner. */
export interface Scope {
  contexts: Partial<Record<ContextName, Json>>
  status?: StatusFunctions
  /** SHA-256 (hex) over the matching files, '' when none matches. */
  hashFiles?: (patterns: string[]) => Promise<string>
}

const contextNames = [
  'github',
  'env',
  'vars',
  'secrets',
  'job',
  'jobs',
  'steps',
  'needs',
  'matrix',
  'strategy',
  'runner',
  'inputs',
] as const
type ContextName = (typeof contextNames)[number]

/** Thrown to leave the synchronous evaluator, which may wrap it, until the hash is known. */
class HashPending extends Error {}

/** Evaluates one expression, given without `${{ }}`. Throws the evaluator's error when it fails. */
export async function evaluateExpression(expression: string, scope: Scope): Promise<Json> {
  const hashes = new Map<string, string>()
  const pending: string[][] = []
  const functions = functionsOf(scope, hashes, pending)
  const tree = new Parser(
    readTokens(expression),
    [...contextNames],
    [...functions.values()],
  ).parse()
  const contexts = toDictionary(expression, scope)
  for (;;) {
    pending.length = 0
    try {
      return fromData(new LazyEvaluator(tree, contexts, functions).evaluate())
    } catch (error) {
      const [patterns] = pending
      if (patterns === undefined || scope.hashFiles === undefined) throw error
      hashes.set(JSON.stringify(patterns), await scope.hashFiles(patterns))
    }
  }
}

/** As on a runner, `case` evaluates no result that it does not return. The library (0.3.61)
 *  evaluates them all, so that `case(x != '', fromJSON(x), 0)` fails for an empty `x`. */
class LazyEvaluator extends Evaluator {
  override visitFunctionCall(call: FunctionCall): data.ExpressionData {
    if (call.functionName.lexeme.toLowerCase() !== 'case') return super.visitFunctionCall(call)
    const { args } = call
    for (let at = 0; at < args.length - 1; at += 2) {
      const [predicate, result] = args.slice(at, at + 2)
      if (predicate === undefined || result === undefined) break
      const { kind, value } = this.eval(predicate) as data.BooleanData
      if (kind !== data.Kind.Boolean)
        throw new Error('case predicate must evaluate to a boolean value')
      if (value) return this.eval(result)
    }
    const last = args.at(-1)
    return last === undefined ? new data.Null() : this.eval(last)
  }
}

/** An object whose keys are compared after `fold`. The library's (0.3.61) always ignores case, and
 *  loses a key that every object inherits, such as `constructor`. */
class Dictionary extends data.Dictionary {
  readonly #pairs = new Map<string, { key: string; value: data.ExpressionData }>()
  readonly #fold: (key: string) => string
  constructor(fold: (key: string) => string) {
    super()
    this.#fold = fold
  }
  override add(key: string, value: data.ExpressionData): void {
    const folded = this.#fold(key)
    if (!this.#pairs.has(folded)) this.#pairs.set(folded, { key, value })
  }
  override get(key: string): data.ExpressionData | undefined {
    return this.#pairs.get(this.#fold(key))?.value
  }
  override values(): data.ExpressionData[] {
    return this.pairs().map(({ value }) => value)
  }
  override pairs(): { key: string; value: data.ExpressionData }[] {
    return [...this.#pairs.values()]
  }
}

const ignoringCase = (key: string): string => key.toLowerCase()
/** Environment variables of POSIX systems: `env.http_proxy` is not `env.HTTP_PROXY`. */
const asWritten = (key: string): string => key

function readTokens(expression: string): Token[] {
  const { tokens } = new Lexer(expression).lex()
  // @actions/expressions 0.3.61 unescapes only the first '' of a string. Delete when it unescapes
  // all.
  return tokens.map((token) =>
    token.type === TokenType.STRING
      ? { ...token, value: token.lexeme.slice(1, -1).replaceAll("''", "'") }
      : token,
  )
}

function functionsOf(
  scope: Scope,
  hashes: Map<string, string>,
  pending: string[][],
): Map<string, FunctionDefinition> {
  const functions = new Map<string, FunctionDefinition>()
  const add = (
    name: string,
    minArgs: number,
    maxArgs: number,
    call: FunctionDefinition['call'],
  ): void => {
    functions.set(name.toLowerCase(), { name, minArgs, maxArgs, call })
  }
  const texts = (args: data.ExpressionData[]): string[] => args.map((arg) => arg.coerceString())
  const { status } = scope
  if (status !== undefined) {
    const many = Number.MAX_SAFE_INTEGER
    add('success', 0, many, (...names) => new data.BooleanData(status.success(texts(names))))
    add('failure', 0, many, (...names) => new data.BooleanData(status.failure(texts(names))))
    add('cancelled', 0, 0, () => new data.BooleanData(status.cancelled()))
    add('always', 0, 0, () => new data.BooleanData(true))
  }
  if (scope.hashFiles !== undefined) {
    add('hashFiles', 1, 255, (...args) => {
      const patterns = texts(args)
      const known = hashes.get(JSON.stringify(patterns))
      if (known !== undefined) return new data.StringData(known)
      pending.push(patterns)
      throw new HashPending('hashFiles is being computed')
    })
  }
  return functions
}

/** Converts only contexts whose names occur in the expression: `github.event` can be large, most
 *  expressions are short. */
function toDictionary(expression: string, scope: Scope): data.Dictionary {
  const text = expression.toLowerCase()
  const dictionary = new data.Dictionary()
  for (const name of contextNames) {
    dictionary.add(
      name,
      text.includes(name)
        ? toData(scope.contexts[name] ?? null, name === 'env' ? asWritten : ignoringCase)
        : new data.Null(),
    )
  }
  return dictionary
}

function toData(value: Json, fold = ignoringCase): data.ExpressionData {
  if (value === null) return new data.Null()
  if (typeof value === 'string') return new data.StringData(value)
  if (typeof value === 'number') return new data.NumberData(value)
  if (typeof value === 'boolean') return new data.BooleanData(value)
  if (Array.isArray(value)) return new data.Array(...value.map((item) => toData(item)))
  const dictionary = new Dictionary(fold)
  for (const [key, item] of Object.entries(value)) dictionary.add(key, toData(item))
  return dictionary
}

function fromData(value: data.ExpressionData): Json {
  switch (value.kind) {
    case data.Kind.Null:
      return null
    case data.Kind.Array:
      return (value as data.Array).values().map(fromData)
    case data.Kind.Dictionary:
      return Object.fromEntries(
        (value as data.Dictionary).pairs().map((pair) => [pair.key, fromData(pair.value)]),
      )
    default:
      return (value as data.StringData | data.NumberData | data.BooleanData).value
  }
}

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** The `==` operator of expressions. */
export function equals(left: Json, right: Json): boolean {
  return equalData(toData(left), toData(right))
}

/** Text of a value embedded in other text: objects and arrays become `Object` and `Array`. */
export function coerceText(value: Json): string {
  return toData(value).coerceString()
}

/** Text of a value as expressions coerce it: null becomes '', numbers take their shortest form.
 *  Undefined for objects and arrays. */
export function textOf(value: Json): string | undefined {
  return value !== null && typeof value === 'object' ? undefined : toData(value).coerceString()
}

/** Truthiness as in `if:`: false, 0, '', null and NaN are false, everything else is true. */
export function isTruthy(value: Json): boolean {
  return value !== null && value !== false && value !== '' && value !== 0 && !Number.isNaN(value)
}
