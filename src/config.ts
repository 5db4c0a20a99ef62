/** Settings: the only reader of the environment. Flags come first, then the environment, then defaults. Every problem
 *  is reported at once, with the variable's name and what it accepts; a returned value is frozen and needs no checks. */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { HttpProxy } from './core/http-proxy.ts'
import { limits } from './core/limits.ts'
import { parseProjectName, type ProjectName } from './core/run.ts'
import { readTokenClaims } from './core/token-claims.ts'
import { dayMs, formatExactDuration } from './core/units.ts'
import { defaultCacheDir, defaultDataDir } from './default-directories.ts'
import { inheritedOf } from './inherited-environment.ts'
import { readProxy } from './proxy-environment.ts'
import { type Environment, Settings } from './settings.ts'

/** What the server runs with. */
export interface Config {
  /** Absolute. Holds `trove.db`, `secret.key`, `server.lock`, `server.url` and `cas/`. */
  readonly dataDir: string
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Origin put into links and signed URLs, without a trailing slash; null: the one the request was sent to. */
  readonly publicUrl: string | null
  /** Origin on which documents of artifacts may run scripts; its host may begin with `*.`, then each artifact has a host
   *  of its own. Null: documents are shown without scripts. */
  readonly contentUrl: string | null
  /** Logical bytes of one artifact, and bytes of one upload. */
  readonly artifactBytesMax: number
  readonly entriesMax: number
  readonly retention: RetentionConfig
  /** How long a delete can be taken back; 0: not at all. */
  readonly undoMs: number
  /** Time between two rounds of garbage collection; null: only by hand. */
  readonly gcIntervalMs: number | null
  /** What compaction in the background moves; null is no bound. */
  readonly compactBytesPerSecond: number | null
  /** How old the last verification of a stored copy may get; null: scrub only by hand. */
  readonly scrubIntervalMs: number | null
  /** What scrub in the background reads; null is no bound. */
  readonly scrubBytesPerSecond: number | null
  /** Bounds on logical bytes of live artifacts; null is none. */
  readonly projectQuotaBytes: number | null
  readonly storeQuotaBytes: number | null
  /** Free disk below which uploads are refused; null: `limits.minFreeBytes`, or a hundredth of a small disk. */
  readonly minFreeBytes: number | null
  /** What CreateArtifact does when the name is taken and the project has no policy of its own. */
  readonly onConflict: 'reject' | 'replace'
  /** Jobs replace and delete only what they made themselves, where the project has no policy of its own. */
  readonly strict: boolean
  /** Patterns of what is kept as the latest (core/keep-latest.ts), where the project has none of its own. */
  readonly keepLatest: readonly string[]
  /** `exact`: a stock client's zip comes back byte for byte. `rebuild`: it is served as a zip of ours. */
  readonly stockZips: 'exact' | 'rebuild'
  /** Of streams that we deflate ourselves, 0 to 9. */
  readonly compressionLevel: number
  readonly uploadUrlMs: number
  readonly downloadUrlMs: number
  /** A request or response body without progress for this long ends. */
  readonly idleMs: number
  /** Threads that take uploads apart. */
  readonly workers: number
  readonly logLevel: LogLevel
  /** Such as mistyped ones: they look like settings and are none. */
  readonly unknownVariables: readonly string[]
}

export interface RetentionConfig {
  readonly defaultMs: number
  readonly minMs: number
  readonly maxMs: number
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Flags of `trove serve` (and of commands that work on a data directory); absent ones follow the environment. */
export interface ServerFlags {
  data?: string | undefined
  host?: string | undefined
  port?: string | undefined
}

/** What commands that talk to a server run with. Nulls are things that neither flags nor environment name. */
export interface ClientConfig {
  /** Origin of the server, without a trailing slash. */
  readonly url: string
  /** What the server is reached through. */
  readonly proxy: HttpProxy | null
  readonly token: string | null
  readonly project: ProjectName | null
  readonly run: number | null
  readonly attempt: number | null
  readonly job: string | null
  readonly branch: string | null
  readonly sha: string | null
  readonly workflow: string | null
  readonly event: string | null
  readonly cacheDir: string | null
  /** True when NO_COLOR is set to anything. */
  readonly noColor: boolean
  /** True inside a CI job: no bars, few lines. */
  readonly ci: boolean
  /** Files of a GitHub-style job that take step outputs and the job's summary. */
  readonly outputFile: string | null
  readonly summaryFile: string | null
}

export interface ClientFlags {
  url?: string | undefined
  token?: string | undefined
  project?: string | undefined
  run?: string | undefined
  attempt?: string | undefined
  job?: string | undefined
  branch?: string | undefined
  sha?: string | undefined
  workflow?: string | undefined
  event?: string | undefined
}

/** What a program that this one starts inherits. */
export function inheritedEnvironment(): Record<string, string> {
  return inheritedOf(process.env)
}

/** One processor is left to the threads of requests and metadata. Measured with two: a second worker makes two tars that
 *  arrive at once a tenth faster and native uploads no faster, and takes 45 MB. */
function defaultWorkers(): number {
  return Math.min(4, Math.max(1, availableParallelism() - 1))
}

/** Without their prefix. A server passes over them. */
const clientVariables = ['URL', 'TOKEN', 'TOKEN_FILE', 'PROJECT', 'RUN', 'JOB', 'CACHE_DIR']

/** Errors: ConfigError with all problems. */
export function readServerConfig(flags: ServerFlags = {}, env: Environment = process.env): Config {
  const source = new Settings(env)
  const host = source.text('TROVE_HOST')
  const config = {
    dataDir: readDataDir(source, flags.data, env),
    host: flags.host ?? host ?? '127.0.0.1',
    port: source.integer('TROVE_PORT', 7878, 0, 65_535, { flag: '--port', text: flags.port }),
    publicUrl: source.ownOrigin('TROVE_PUBLIC_URL') ?? null,
    contentUrl: readContentUrl(source),
    artifactBytesMax: source.size('TROVE_MAX_ARTIFACT', limits.artifactBytesMax),
    entriesMax: source.integer('TROVE_MAX_ENTRIES', limits.entriesMax, 1, 10_000_000),
    retention: readRetention(source),
    undoMs: source.duration('TROVE_UNDO', limits.undoMs, 0, 30 * dayMs),
    gcIntervalMs: source.unless('TROVE_GC_INTERVAL', 'off', (name) =>
      source.duration(name, limits.gcIntervalMs, 1000, 7 * dayMs),
    ),
    compactBytesPerSecond: source.unless('TROVE_COMPACT_RATE', 'unlimited', (name) =>
      source.size(name, limits.compactBytesPerSecond),
    ),
    scrubIntervalMs: source.unless('TROVE_SCRUB_INTERVAL', 'off', (name) =>
      source.duration(name, limits.scrubIntervalMs, 60_000, 365 * dayMs),
    ),
    scrubBytesPerSecond: source.unless('TROVE_SCRUB_RATE', 'unlimited', (name) =>
      source.size(name, limits.scrubBytesPerSecond),
    ),
    projectQuotaBytes: source.optionalSize('TROVE_PROJECT_QUOTA'),
    storeQuotaBytes: source.optionalSize('TROVE_STORE_QUOTA'),
    minFreeBytes: source.optionalSize('TROVE_MIN_FREE', 0),
    onConflict: source.choice('TROVE_ON_CONFLICT', ['reject', 'replace'], 'reject'),
    strict: source.choice('TROVE_STRICT', ['on', 'off'], 'off') === 'on',
    keepLatest: source.latestPatterns('TROVE_KEEP_LATEST'),
    stockZips: source.choice('TROVE_STOCK_ZIPS', ['exact', 'rebuild'], 'exact'),
    compressionLevel: source.integer('TROVE_COMPRESSION_LEVEL', 6, 0, 9),
    uploadUrlMs: source.duration(
      'TROVE_UPLOAD_URL_TTL',
      limits.uploadLifeMs,
      60_000,
      limits.uploadLifeMs,
    ),
    downloadUrlMs: source.duration('TROVE_DOWNLOAD_URL_TTL', 6 * 60 * 60 * 1000, 60_000, 7 * dayMs),
    idleMs: source.duration('TROVE_IDLE_TIMEOUT', limits.idleBodyMs, 1000, 60 * 60 * 1000),
    workers: source.integer('TROVE_WORKERS', defaultWorkers(), 1, 64),
    logLevel: source.choice('TROVE_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
  } satisfies Omit<Config, 'unknownVariables'>
  source.finish()
  const unknownVariables = source.unread('TROVE_', clientVariables)
  return Object.freeze({ ...config, unknownVariables })
}

function readContentUrl(source: Settings): string | null {
  const name = 'TROVE_CONTENT_URL'
  const text = source.text(name)
  const origin = source.ownOrigin(name, text?.replace('//*.', '//any.')) ?? null
  if (origin !== null && origin === source.origin('TROVE_PUBLIC_URL')) {
    source.refuse(name, 'must be another origin than TROVE_PUBLIC_URL, or it isolates nothing')
  }
  return text?.includes('//*.') === true ? (origin?.replace('//any.', '//*.') ?? null) : origin
}

function readRetention(source: Settings): RetentionConfig {
  const retention = {
    defaultMs: source.integer('TROVE_RETENTION_DAYS', 90, 1, 36_500) * dayMs,
    minMs: source.duration('TROVE_RETENTION_MIN', 60 * 60 * 1000, 0, 365 * dayMs),
    maxMs: source.integer('TROVE_RETENTION_MAX_DAYS', 400, 1, 36_500) * dayMs,
  }
  const { defaultMs, minMs, maxMs } = retention
  const [is, min, max] = [defaultMs, minMs, maxMs].map(formatExactDuration)
  if (minMs > maxMs) {
    source.refuse(
      'TROVE_RETENTION_MIN',
      `must not be above TROVE_RETENTION_MAX_DAYS (${max}), is ${min}`,
    )
  } else if (defaultMs < minMs || defaultMs > maxMs) {
    source.refuse(
      'TROVE_RETENTION_DAYS',
      `must lie between TROVE_RETENTION_MIN (${min}) and TROVE_RETENTION_MAX_DAYS (${max}), is ${is}`,
    )
  }
  return Object.freeze(retention)
}

/** What neither flag nor environment says of project and run, the token says. Errors: ConfigError with all problems. */
export function readClientConfig(
  flags: ClientFlags = {},
  env: Environment = process.env,
): ClientConfig {
  const source = new Settings(env)
  const number = (flag: string, text: string | undefined, ...names: string[]): number | null =>
    source.positiveInteger(flag, text, names)
  const url =
    source.originOf('--url', flags.url) ??
    source.origin('TROVE_URL') ??
    source.origin('ACTIONS_RESULTS_URL') ??
    'http://127.0.0.1:7878'
  const token =
    flags.token ?? source.token(['TROVE_TOKEN', 'TROVE_TOKEN_FILE', 'ACTIONS_RUNTIME_TOKEN'])
  const claims = readTokenClaims(token)
  const config: ClientConfig = {
    url,
    proxy: readProxy(source, url),
    token,
    project: readProject(source, flags.project, claims.project),
    run: number('--run', flags.run, 'TROVE_RUN', 'GITHUB_RUN_ID') ?? claims.run,
    attempt: number('--attempt', flags.attempt, 'GITHUB_RUN_ATTEMPT'),
    job: flags.job ?? source.text('TROVE_JOB') ?? source.text('GITHUB_JOB') ?? null,
    // A pull request's GITHUB_REF_NAME is `17/merge`; its branch is the head.
    branch:
      flags.branch ?? source.text('GITHUB_HEAD_REF') ?? source.text('GITHUB_REF_NAME') ?? null,
    sha: flags.sha ?? source.text('GITHUB_SHA') ?? null,
    workflow: flags.workflow ?? source.text('GITHUB_WORKFLOW') ?? null,
    event: flags.event ?? source.text('GITHUB_EVENT_NAME') ?? null,
    cacheDir: readCacheDir(source, env),
    noColor: source.text('NO_COLOR') !== undefined,
    ci: source.text('CI') !== undefined || source.text('GITHUB_ACTIONS') !== undefined,
    outputFile: source.text('GITHUB_OUTPUT') ?? null,
    summaryFile: source.text('GITHUB_STEP_SUMMARY') ?? null,
  }
  source.finish()
  return Object.freeze(config)
}

function readProject(
  source: Settings,
  flag: string | undefined,
  claimed: string | null,
): ProjectName | null {
  const found = [
    ['--project', flag],
    ['TROVE_PROJECT', source.text('TROVE_PROJECT')],
    ['GITHUB_REPOSITORY', source.text('GITHUB_REPOSITORY')],
    ['the token', claimed ?? undefined],
  ].find(([, text]) => text !== undefined)
  const [name, text] = found ?? []
  if (name === undefined || text === undefined) return null
  try {
    return parseProjectName(text)
  } catch (error) {
    source.refuse(name, (error as Error).message)
    return null
  }
}

function readDataDir(source: Settings, flag: string | undefined, env: Environment): string {
  const own = source.text('TROVE_DATA')
  const directory = flag ?? own ?? defaultDataDir(env)
  if (directory === null) source.refuse('TROVE_DATA', 'must name a directory: there is no home')
  return resolve(directory ?? '')
}

/** Without a place for it nothing is remembered. */
function readCacheDir(source: Settings, env: Environment): string | null {
  const directory = source.text('TROVE_CACHE_DIR') ?? defaultCacheDir(env)
  return directory === null ? null : resolve(directory)
}
