/** Settings of commands that talk to a server: from flags, then the environment of a user or a CI
 *  job, then `trove login`. Project and run also come from the token. */
import { resolve } from 'node:path'
import type { HttpProxy } from '../core/http-proxy.ts'
import type { IdTokenSource } from '../core/access/id-token-source.ts'
import { hasCode } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { parseProjectName, type ProjectName, type RunFacts } from '../core/run/run.ts'
import { readTokenClaims } from '../core/access/token-claims.ts'
import { dayMs, hourMs } from '../core/units.ts'
import { defaultCacheDir } from './default-directories.ts'
import { type Login, type Logins, noLogins } from './logins.ts'
import { readProxy } from './proxy-environment.ts'
import { type FactFlags, readRunFacts } from './run-facts.ts'
import { type Environment, Settings } from './settings.ts'

/** `login`: the default server of `trove login`. `default`: nothing names one. */
export type UrlSource = '--url' | 'TROVE_URL' | 'ACTIONS_RESULTS_URL' | 'login' | 'default'

const tokenVariables = ['TROVE_TOKEN', 'TROVE_TOKEN_FILE', 'ACTIONS_RUNTIME_TOKEN'] as const

/** `ID token`: exchanged for one. `login`: stored for this server by `trove login`. */
export type TokenSource = (typeof tokenVariables)[number] | 'ID token' | 'login'

/** The settings of a command that talks to a server. A field is null when neither flags nor
 *  environment give it. */
export interface ClientConfig {
  /** Origin of the server, without a trailing slash. */
  readonly url: string
  readonly urlFrom: UrlSource
  /** The proxy to reach the server through. */
  readonly proxy: HttpProxy | null
  /** A request that makes no progress for this long fails. */
  readonly idleMs: number
  /** How long to go on while the server is unreachable or overloaded; 0: a few seconds. */
  readonly retryMs: number
  readonly token: string | null
  /** Null without a token. */
  readonly tokenFrom: TokenSource | null
  /** The source of an ID token to exchange for a token when there is no token. */
  readonly idToken: IdTokenSource | null
  readonly project: ProjectName | null
  /** Flag or variable, or `the token`. Null without a project. */
  readonly projectFrom: string | null
  readonly run: number | null
  readonly attempt: number | null
  readonly job: string | null
  readonly facts: RunFacts
  readonly cacheDir: string | null
  /** True when NO_COLOR is set to anything, and on a terminal without colours. */
  readonly noColor: boolean
  /** True inside a CI job, where logins are ignored. */
  readonly ci: boolean
  /** False where bars cannot be drawn: inside a CI job, and on a terminal without a cursor to
   *  move. */
  readonly bars: boolean
  /** Files of a GitHub-style job for step outputs and the job summary. */
  readonly outputFile: string | null
  readonly summaryFile: string | null
}

export interface ClientFlags extends FactFlags {
  url?: string | undefined
  /** What an ID token was exchanged for. Null: no token is read, as a command needs none. */
  token?: string | null | undefined
  project?: string | undefined
  run?: string | undefined
  attempt?: string | undefined
  job?: string | undefined
}

/** Project and run fall back to the token's claims. `readLogins` is called only if a server or a
 *  token is missing, and never in a CI job. Errors: ConfigError with all problems, those of
 *  `readLogins`. */
export function clientConfigOf(
  flags: ClientFlags,
  env: Environment,
  readLogins: () => Logins = () => noLogins,
): ClientConfig {
  const source = new Settings(env)
  const number = (flag: string, text: string | undefined, ...names: string[]): number | null =>
    source.positiveInteger(flag, text, names)
  const isDumb = source.text('TERM') === 'dumb'
  const ci = source.text('CI') !== undefined || source.text('GITHUB_ACTIONS') !== undefined
  const idToken = readIdToken(source)
  const loginsOf = ci || idToken !== null ? () => noLogins : readLogins
  const { url, urlFrom } = readUrl(source, flags.url, loginsOf)
  const { token, tokenFrom } = readToken(source, flags.token, () => loginsOf().byUrl.get(url))
  const claims = readTokenClaims(token)
  const { project, projectFrom } = readProject(source, flags.project, claims.project)
  const config: ClientConfig = {
    url,
    urlFrom,
    proxy: readProxy(source, url),
    idleMs: source.duration('TROVE_IDLE_TIMEOUT', limits.idleExchangeMs, 1000, hourMs),
    retryMs: source.duration('TROVE_RETRY', 0, 0, dayMs),
    token,
    tokenFrom,
    idToken,
    project,
    projectFrom,
    run: number('--run', flags.run, 'TROVE_RUN', 'GITHUB_RUN_ID', 'CI_PIPELINE_ID') ?? claims.run,
    attempt: number('--attempt', flags.attempt, 'GITHUB_RUN_ATTEMPT'),
    job: source.first(flags.job, ['TROVE_JOB', 'GITHUB_JOB', 'CI_JOB_NAME']) ?? null,
    facts: readRunFacts(flags, source),
    cacheDir: readCacheDir(source, env),
    noColor: source.text('NO_COLOR') !== undefined || isDumb,
    ci,
    bars: !ci && !isDumb,
    outputFile: source.text('GITHUB_OUTPUT') ?? null,
    summaryFile: source.text('GITHUB_STEP_SUMMARY') ?? null,
  }
  source.finish()
  return Object.freeze(config)
}

function readUrl(
  source: Settings,
  flag: string | undefined,
  logins: () => Logins,
): Pick<ClientConfig, 'url' | 'urlFrom'> {
  const ofFlag = source.rootOf('--url', flag)
  if (ofFlag !== undefined) return { url: ofFlag, urlFrom: '--url' }
  const own = source.ownOrigin('TROVE_URL')
  if (own !== undefined) return { url: own, urlFrom: 'TROVE_URL' }
  const results = source.origin('ACTIONS_RESULTS_URL')
  if (results !== undefined) return { url: results, urlFrom: 'ACTIONS_RESULTS_URL' }
  const { defaultUrl } = logins()
  return defaultUrl === null
    ? { url: 'http://127.0.0.1:7878', urlFrom: 'default' }
    : { url: defaultUrl, urlFrom: 'login' }
}

/** `login` returns what is stored for the server in use, so that a stored token is never sent to
 *  another server. */
function readToken(
  source: Settings,
  given: ClientFlags['token'],
  login: () => Login | undefined,
): Pick<ClientConfig, 'token' | 'tokenFrom'> {
  if (typeof given === 'string') return { token: given, tokenFrom: 'ID token' }
  const variable = tokenVariables.find((name) => source.text(name) !== undefined)
  if (variable !== undefined)
    return { token: given === null ? null : source.token([variable]), tokenFrom: variable }
  const token = login()?.token ?? null
  return { token, tokenFrom: token === null ? null : 'login' }
}

/** GitLab sets an ID token in a variable the job names; GitHub issues one on request to a job
 *  with `id-token: write`. */
function readIdToken(source: Settings): IdTokenSource | null {
  const idToken = source.token(['TROVE_ID_TOKEN'])
  if (idToken !== null) return { kind: 'given', idToken }
  const url = source.text('ACTIONS_ID_TOKEN_REQUEST_URL')
  const token = source.token(['ACTIONS_ID_TOKEN_REQUEST_TOKEN'])
  if (url === undefined || token === null || !URL.canParse(url)) return null
  return { kind: 'asked', url: new URL(url), token, proxy: readProxy(source, url) }
}

function readProject(
  source: Settings,
  flag: string | undefined,
  claimed: string | null,
): Pick<ClientConfig, 'project' | 'projectFrom'> {
  const found = [
    ['--project', flag],
    ['TROVE_PROJECT', source.text('TROVE_PROJECT')],
    ['GITHUB_REPOSITORY', source.text('GITHUB_REPOSITORY')],
    ['CI_PROJECT_PATH', source.text('CI_PROJECT_PATH')],
    ['the token', claimed ?? undefined],
  ].find(([, text]) => text !== undefined)
  const [name, text] = found ?? []
  if (name === undefined || text === undefined) return { project: null, projectFrom: null }
  try {
    return { project: parseProjectName(text), projectFrom: name }
  } catch (error) {
    if (!hasCode(error, 'invalid_name')) throw error
    source.refuse(name, `is not a valid project: ${JSON.stringify(text)} (${error.details.reason})`)
    return { project: null, projectFrom: null }
  }
}

/** Returns null if there is no place for a cache; nothing is cached then. */
function readCacheDir(source: Settings, env: Environment): string | null {
  const directory = source.text('TROVE_CACHE_DIR') ?? defaultCacheDir(env)
  return directory === null ? null : resolve(directory)
}
