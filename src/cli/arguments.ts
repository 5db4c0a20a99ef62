/** Parses the command line of one command, strictly: flags and operands. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { withSlashes } from '../client/files/paths.ts'
import { StoreError } from '../core/errors.ts'
import { compilePathGlobs } from '../core/glob/path-glob.ts'
import { limits } from '../core/limits.ts'
import { parsePositiveInteger } from '../core/run/run.ts'
import { formatExactDuration, parseDurationMs } from '../core/units.ts'
import { suggestion } from './suggestion.ts'

/** A flag. `value` is the name of its value in help; null for a flag without a value. */
interface Flag {
  value: string | null
  short?: string
  /** The flag may be repeated; its values are collected in a list. */
  repeats?: true
  /** All values that it takes, where those are few. */
  choices?: readonly string[]
  /** Reads a value of the flag `name`, such as `--limit`. Errors: UsageError, invalid_request. */
  read?: (text: string, name: string) => unknown
  /** Its value without the flag. */
  fallback?: unknown
  help: string
}
export type Flags = Record<string, Flag>

export type FlagValues<F extends Flags> = { [Name in keyof F]: FlagValue<F[Name]> }
type FlagValue<F extends Flag> = Flag extends F
  ? unknown
  : F extends { value: null }
    ? boolean
    : F extends { repeats: true }
      ? ReadValue<F>[]
      : F extends { fallback: unknown }
        ? ReadValue<F>
        : ReadValue<F> | undefined
type ReadValue<F extends Flag> = F extends { read: (...args: never) => infer Value }
  ? Value
  : F extends { choices: readonly (infer Choice)[] }
    ? Choice
    : string

/** An invalid command line; exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Flags of every command. */
export const commonFlags = {
  help: { value: null, short: 'h', help: 'show this help' },
} as const satisfies Flags

/** Flags that select a server and the project. A token is never a flag, since command lines are
 *  public. */
export const serverFlags = {
  url: {
    value: 'URL',
    help: 'server (TROVE_URL, ACTIONS_RESULTS_URL, that of `trove login`, or http://127.0.0.1:7878)',
  },
  project: { value: 'O/R', help: 'project (TROVE_PROJECT, GITHUB_REPOSITORY, CI_PROJECT_PATH)' },
  json: { value: null, help: 'print JSON' },
} satisfies Flags

export const limitFlag = {
  value: 'N',
  read: parsePositiveInteger,
  fallback: limits.listPageDefault,
  help: `show at most N (default ${limits.listPageDefault})`,
} satisfies Flag

export const jobsFlag = {
  value: 'N',
  read: integer(1, 64),
  help: 'number of threads (default: one per processor)',
} satisfies Flag

export const pathGlobsFlag = {
  value: 'GLOB',
  repeats: true,
  read: (text: string): string => {
    // Entry paths have slashes on every system.
    const glob = withSlashes(text)
    compilePathGlobs([glob])
    return glob
  },
} as const

/** Values that may not be empty, by their name in help: an empty one would mean something else,
 *  such as the working directory, every address or everything. */
const neverEmpty: ReadonlySet<string | null> = new Set([
  'DIR',
  'FILE',
  'GLOB',
  'GLOBS',
  'HOST',
  'PATH',
  'REF',
  'TEXT',
])

/** Returns undefined when help is asked for. Errors: UsageError, invalid_request. */
export function parseFlags<F extends Flags>(
  flags: F,
  args: string[],
): { values: FlagValues<F>; operands: string[] } | undefined {
  const all: Flags = { ...flags, ...commonFlags }
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { value, short, repeats }] of Object.entries(all)) {
    options[name] = {
      type: value === null ? 'boolean' : 'string',
      multiple: repeats === true,
      ...(short !== undefined && { short }),
    }
  }
  // Not `strict`: the parser's messages change with Node, and give advice about its API.
  const { values, positionals, tokens } = parseArgs({
    args,
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) if (token.kind === 'option') checkFlag(token, all)
  if (values['help'] === true) return undefined
  // With DEST unset, `trove download 42/build "$DEST" --delete` would empty the working directory.
  if (positionals.includes('')) throw new UsageError('empty argument (is a variable unset?)')
  const filled = Object.entries(flags).map(([name, flag]) => {
    if (flag.value === null) return [name, values[name] === true]
    const texts = [values[name] ?? []].flat() as string[]
    const read = texts.map((text) => readValue(flag, text, `--${name}`))
    if (flag.repeats === true) return [name, read]
    // A value can be read as null.
    return [name, read.length === 0 ? flag.fallback : read[0]]
  })
  return { values: Object.fromEntries(filled) as FlagValues<F>, operands: positionals }
}

function readValue({ value, choices, read }: Flag, text: string, name: string): unknown {
  if (neverEmpty.has(value)) filled(text, name)
  if (choices !== undefined) return choice(text, choices, name)
  try {
    return read === undefined ? text : read(text, name)
  } catch (error) {
    // Rules that the server shares throw errors of requests; here it is a matter of usage.
    if (!(error instanceof StoreError)) throw error
    const { message } = error
    const named = message.includes(name) ? message : `${name}: ${message}`
    throw new UsageError(named, { cause: error })
  }
}

/** A flag as it was written. */
interface WrittenFlag {
  name: string
  /** With its dashes. */
  rawName: string
  value?: string | undefined
  /** Whether it was written as `--flag=value`. */
  inlineValue?: boolean | undefined
}

/** Errors: UsageError. */
function checkFlag({ name, rawName, value, inlineValue }: WrittenFlag, flags: Flags): void {
  if (!Object.hasOwn(flags, name)) {
    const meant = rawName.startsWith('--')
      ? suggestion(name, Object.keys(flags), '--')
      : 'names that begin with a dash go after `--`, behind all flags'
    throw new UsageError(`unknown flag ${rawName}${meant === undefined ? '' : `; ${meant}`}`)
  }
  const flag = flags[name]!
  if (flag.value === null) {
    if (value !== undefined) throw new UsageError(`--${name} takes no value`)
  } else if (value === undefined) {
    throw new UsageError(`--${name} needs a value: ${flag.value}`)
  } else if (inlineValue === false && /^-./.test(value)) {
    // Probably the next flag, unless it is plainly a wrong value.
    readValue(flag, value, `--${name}`)
    throw new UsageError(
      `--${name} needs a value: ${flag.value}; one that begins with a dash is written --${name}=${value}`,
    )
  }
}

type Texts<Names extends readonly string[], Text> = { [Index in keyof Names]: Text }

/** Returns the operands `names`, all required, followed by the `optional` ones. Errors:
 *  UsageError. */
export function takeOperands<
  const Names extends readonly string[],
  const Optional extends readonly string[] = [],
>(
  operands: string[],
  names: Names,
  optional?: Optional,
): [...Texts<Names, string>, ...Texts<Optional, string | undefined>] {
  const missing = names[operands.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = operands[names.length + (optional?.length ?? 0)]
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`)
  return operands as [...Texts<Names, string>, ...Texts<Optional, string | undefined>]
}

/** Returns `pull-request` for `pullRequest`: the names users know are those of the flags. */
export function flagOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** For `Flag.read`: any text but ''. */
export function filled(text: string, name: string): string {
  if (text === '') throw new UsageError(`${name} is empty (is a variable unset?)`)
  return text
}

/** For `Flag.read`. */
export function integer(min: number, max: number): (text: string, name: string) => number {
  return (text, name) => {
    const value = Number(text)
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value
    throw new UsageError(
      `${name} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`,
    )
  }
}

/** For `Flag.read`: milliseconds. */
export function duration(
  minMs: number,
  maxMs: number | null = null,
): (text: string, name: string) => number {
  const most = maxMs === null ? '' : `, at most ${formatExactDuration(maxMs)}`
  return (text, name) => {
    const ms = parseDurationMs(text)
    if (ms !== undefined && ms >= minMs && ms <= (maxMs ?? ms)) return ms
    throw new UsageError(
      `${name} must be a duration such as 90s, 6h or 30d${most}, got ${JSON.stringify(text)}`,
    )
  }
}

/** Errors: UsageError. */
export function choice<const Accepted extends string>(
  text: string,
  accepted: readonly Accepted[],
  name: string,
): Accepted {
  const found = accepted.find((each) => each === text)
  if (found !== undefined) return found
  const all = `${accepted.slice(0, -1).join(', ')} or ${accepted.at(-1)}`
  throw new UsageError(`${name} must be ${all}, got ${JSON.stringify(text)}`)
}
