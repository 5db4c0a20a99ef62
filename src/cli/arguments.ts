/** Parses the command line of one command, strictly: flags and operands. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { withSlashes } from '../client/files/paths.ts'
import { limits } from '../core/limits.ts'
import { parsePositiveInteger } from '../core/run/run.ts'
import { suggestion } from './suggestion.ts'

/** A flag. `value` is the name of its value in help; null for a flag without a value. */
interface Flag {
  value: string | null
  short?: string
  /** The flag may be repeated; its values are collected in a list. */
  repeats?: true
  /** All values that it takes, where those are few. */
  choices?: readonly string[]
  help: string
}
export type Flags = Record<string, Flag>

export type FlagValues<F extends Flags> = {
  [Name in keyof F]: FlagValue<F[Name]['value'], F[Name]['repeats']>
}
/** A distributive conditional type, so that the flag values of any command are assignable to
 *  those of commands in general. */
type FlagValue<V, R> = R extends true ? string[] : V extends null ? boolean : string | undefined

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
    help: 'server (TROVE_URL, ACTIONS_RESULTS_URL, then that of `trove login`, then http://127.0.0.1:7878); HTTPS_PROXY, HTTP_PROXY and NO_PROXY apply',
  },
  project: { value: 'O/R', help: 'project (TROVE_PROJECT, GITHUB_REPOSITORY, CI_PROJECT_PATH)' },
  json: { value: null, help: 'print JSON' },
} satisfies Flags

export const limitFlag = {
  value: 'N',
  help: `show at most N (default ${limits.listPageDefault})`,
} satisfies Flag

/** Errors: invalid_request. */
export function limitOf({ limit }: { limit: string | undefined }): number {
  return limit === undefined ? limits.listPageDefault : parsePositiveInteger(limit, '--limit')
}

export const jobsFlag = {
  value: 'N',
  help: 'number of threads (default: one per processor)',
} satisfies Flag

/** In the form that calls of the client take. Errors: UsageError. */
export function jobsOf({ jobs }: { jobs: string | undefined }): { jobs?: number } {
  return jobs === undefined ? {} : { jobs: integer(jobs, '--jobs', 1, 64) }
}

/** Values that may not be empty, by their name in help: an empty one would mean something else,
 *  such as the working directory or every address. */
const neverEmpty: ReadonlySet<string | null> = new Set(['DIR', 'FILE', 'HOST'])

/** Errors: UsageError. */
export function parseFlags<F extends Flags>(
  flags: F,
  args: string[],
): { values: FlagValues<F>; operands: string[]; help: boolean } {
  const all: Flags = { ...flags, ...commonFlags }
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { value, short, repeats }] of Object.entries(all)) {
    options[name] = {
      type: value === null ? 'boolean' : 'string',
      multiple: repeats === true,
      ...(short !== undefined && { short }),
    }
  }
  const { values, positionals } = parse({ args, options, strict: true, allowPositionals: true })
  // With DEST unset, `trove download 42/build "$DEST" --delete` would empty the working directory.
  if (positionals.includes('')) throw new UsageError('empty argument (is a variable unset?)')
  for (const [name, { value }] of Object.entries(flags)) {
    if (neverEmpty.has(value) && values[name] === '')
      throw new UsageError(`--${name} is empty (is a variable unset?)`)
  }
  const filled = Object.entries(flags).map(([name, { value, repeats }]) => {
    if (repeats === true) return [name, listOf(value, values[name])]
    return [name, value === null ? values[name] === true : values[name]]
  })
  return {
    values: Object.fromEntries(filled) as FlagValues<F>,
    operands: positionals,
    help: values['help'] === true,
  }
}

/** Globs match entry paths, which have slashes on every system. */
function listOf(value: string | null, texts: unknown): string[] {
  const list = (texts ?? []) as string[]
  return value === 'GLOB' ? list.map(withSlashes) : list
}

function parse(config: ParseArgsConfig): ReturnType<typeof parseArgs> {
  try {
    return parseArgs(config)
  } catch (error) {
    // The parser's messages end with advice about its API.
    if (!(error instanceof TypeError)) throw error
    const [reason = error.message] = error.message.split('. ')
    const [, unknown] = /^Unknown option '--([^']+)'/.exec(reason) ?? []
    const meant =
      reason.startsWith("Unknown option '-") && unknown === undefined
        ? 'names that begin with a dash go after `--`, behind all flags'
        : unknown && suggestion(unknown, Object.keys(config.options ?? {}), '--')
    throw new UsageError(meant ? `${reason}; ${meant}` : reason)
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

/** Errors: UsageError. */
export function integer(text: string, flag: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value
  throw new UsageError(
    `${flag} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`,
  )
}

/** Errors: UsageError. */
export function choice<const Accepted extends string>(
  text: string | undefined,
  accepted: readonly Accepted[],
  flag: string,
): Accepted | undefined {
  if (text === undefined) return undefined
  const found = accepted.find((each) => each === text)
  if (found !== undefined) return found
  const all = `${accepted.slice(0, -1).join(', ')} or ${accepted.at(-1)}`
  throw new UsageError(`${flag} must be ${all}, got ${JSON.stringify(text)}`)
}
