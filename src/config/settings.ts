/** Parses single settings and collects all problems, so that they are reported together. */
import { readFileSync } from 'node:fs'
import { compileLatestRule } from '../core/policy/keep-latest.ts'
import type { ProjectAccess } from '../core/access/project-access.ts'
import { parseProjectGlobs } from '../core/access/project-globs.ts'
import { isIssuer } from '../core/access/trusted-issuers.ts'
import { readServerOrigin } from '../core/server-origin.ts'
import { isNamedPipe } from '../named-pipe.ts'
import { formatExactDuration, parseDurationMs, parseSizeBytes } from '../core/units.ts'

export type Environment = Record<string, string | undefined>

/** Unusable settings; `problems` names each variable or flag and what it accepts. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Whether an Authorization header can carry the text. */
export function isHeaderToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

/** Reads single variables and collects their problems. An empty variable counts as absent. */
export class Settings {
  readonly #env: Environment
  readonly #problems: string[] = []
  readonly #read = new Set<string>()
  /** Another accepted word, as a suffix for messages; set by `unless`. */
  #also = ''

  constructor(env: Environment) {
    this.#env = env
  }

  refuse(name: string, accepted: string): void {
    this.#problems.push(`${name} ${accepted}`)
  }

  /** Throws the problems. Variables that were read and start with `unquoted` may not have quotes
   *  around their value: `docker --env-file` keeps those that a shell removes.
   *  Errors: ConfigError. */
  finish(unquoted?: string): void {
    for (const name of this.#read) {
      if (unquoted === undefined || !name.startsWith(unquoted)) continue
      if (/^(['"]).*\1$/s.test(this.text(name) ?? ''))
        this.refuse(name, 'must not have quotes around it: they are part of its value here')
    }
    if (this.#problems.length > 0) throw new ConfigError(this.#problems)
  }

  /** Returns the variables with that prefix: those that are read, and those that are set but never
   *  read, apart from those in `except`. */
  variables(prefix: string, except: readonly string[]): { known: string[]; unknown: string[] } {
    const skipped = new Set([...this.#read, ...except.map((name) => prefix + name)])
    return {
      known: [...this.#read].filter((name) => name.startsWith(prefix)),
      unknown: Object.keys(this.#env).filter(
        (name) => name.startsWith(prefix) && !skipped.has(name),
      ),
    }
  }

  text(name: string): string | undefined {
    this.#read.add(name)
    const value = this.#env[name]
    return value === undefined || value === '' ? undefined : value
  }

  /** Returns the flag, else the first variable that is set. An empty flag counts as absent: a job
   *  without a branch may still pass `--branch "$BRANCH_NAME"`. */
  first(flag: string | undefined, names: readonly string[]): string | undefined {
    return flag || names.map((name) => this.text(name)).find((text) => text !== undefined)
  }

  /** Returns the value of the first variable that is set, or for a name ending in _FILE, the
   *  contents of that file. */
  token(names: readonly string[]): string | null {
    const found = names.find((each) => this.text(each) !== undefined)
    if (found === undefined) return null
    const text = this.text(found)!
    const isFile = found.endsWith('_FILE')
    if (isFile && isNamedPipe(text)) {
      this.refuse(found, 'must name a file, or a pipe that is open, such as <(command) in a shell')
      return null
    }
    try {
      const token = (isFile ? readFileSync(text, 'utf8') : text).trim()
      // The message does not repeat the token.
      if (!isHeaderToken(token)) this.refuse(found, 'must hold a token and nothing else')
      return token
    } catch (error) {
      this.refuse(found, `must name a readable file (${(error as Error).message})`)
      return null
    }
  }

  integer(
    name: string,
    fallback: number,
    min: number,
    max: number,
    flag?: { flag: string; text: string | undefined },
  ): number {
    const own = this.text(name)
    const text = flag?.text ?? own
    if (text === undefined) return fallback
    const value = Number(text)
    if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value
    const source = flag?.text === undefined ? name : flag.flag
    // TROVE_PORT, beside others, for a Service called trove in the namespace of the pod.
    const origin = text.startsWith('tcp://')
      ? ', which Kubernetes sets for a Service: the pod needs `enableServiceLinks: false`'
      : ''
    const got = `${JSON.stringify(text)}${origin}`
    this.refuse(source, `must be a whole number from ${min} to ${max}, got ${got}`)
    return fallback
  }

  positiveInteger(flag: string, flagText: string | undefined, names: string[]): number | null {
    const name = flagText === undefined ? names.find((each) => this.text(each) !== undefined) : flag
    if (name === undefined) return null
    const text = flagText ?? this.text(name) ?? ''
    const value = Number(text)
    if (/^\d{1,16}$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value
    this.refuse(name, `must be a positive whole number, got ${JSON.stringify(text)}`)
    return null
  }

  size(name: string, fallback: number): number {
    return this.optionalSize(name) ?? fallback
  }

  /** Null when the variable is not set. */
  optionalSize(name: string, minBytes = 1): number | null {
    const text = this.text(name)
    if (text === undefined) return null
    const bytes = parseSizeBytes(text)
    if (bytes !== undefined && bytes >= minBytes) return bytes
    const bound = minBytes === 0 ? '' : ' above 0'
    this.refuse(
      name,
      `must be a size such as 500MB or 64GiB${bound}${this.#also}, got ${JSON.stringify(text)}`,
    )
    return null
  }

  /** Returns null when the variable equals `word`, else the result of `read`. */
  unless<T>(name: string, word: string, read: (name: string) => T): T | null {
    if (this.text(name) === word) return null
    this.#also = `, or ${word}`
    try {
      return read(name)
    } finally {
      this.#also = ''
    }
  }

  duration(name: string, fallback: number, minMs: number, maxMs: number): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const ms = parseDurationMs(text)
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
    const [min, max] = [minMs, maxMs].map(formatExactDuration)
    this.refuse(
      name,
      `must be a duration such as 90s, 24h or 7d, from ${min} to ${max}${this.#also}, got ${JSON.stringify(text)}`,
    )
    return fallback
  }

  choice<const T extends string>(name: string, accepted: readonly T[], fallback: T): T {
    const text = this.text(name)
    if (text === undefined) return fallback
    const found = accepted.find((each) => each === text)
    if (found === undefined)
      this.refuse(name, `must be ${accepted.join(' or ')}, got ${JSON.stringify(text)}`)
    return found ?? fallback
  }

  /** Patterns of `BRANCH/NAME`, separated by spaces. */
  latestPatterns(name: string): string[] {
    return this.list(name, (text) => {
      const patterns = text.match(/\S+/g) ?? []
      compileLatestRule(patterns)
      return patterns
    })
  }

  /** Globs of projects, separated by spaces, as access to read them. */
  publicProjects(name: string): ProjectAccess[] {
    return this.list(name, (text) =>
      parseProjectGlobs(text).map((projects) => ({ scope: 'read', projects })),
    )
  }

  /** What `parse` makes of the text; it throws for text that is invalid. */
  list<Item>(name: string, parse: (text: string) => Item[]): Item[] {
    try {
      return parse(this.text(name) ?? '')
    } catch (error) {
      this.refuse(name, `is invalid: ${(error as Error).message}`)
      return []
    }
  }

  /** The URL of an issuer, without a trailing slash. */
  issuer(name: string): string | undefined {
    const text = this.text(name)?.replace(/\/$/, '')
    if (text === undefined || isIssuer(text)) return text
    this.refuse(name, `must be an https URL of an issuer, got ${JSON.stringify(text)}`)
    return undefined
  }

  /** Keeps only the origin, as with ACTIONS_RESULTS_URL (GITHUB-PROTOCOL §1.1). */
  origin(name: string): string | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const { origin, fault } = readServerOrigin(text)
    if (origin === undefined && fault !== undefined) this.refuse(name, fault)
    return origin
  }

  ownOrigin(name: string): string | undefined {
    return this.rootOf(name, this.text(name))
  }

  rootOf(name: string, text: string | undefined): string | undefined {
    if (text === undefined) return undefined
    const { origin, fault } = readServerOrigin(text)
    if (fault !== undefined) this.refuse(name, fault)
    return origin
  }
}
