/** `trove token`: mints a token, with the key of a data directory or through a server. The
 *  server requires a token with more permissions, or the ID token of a CI job. */
import type { WireMintedToken } from '../../api/token-messages.ts'
import { minuteOf } from '../../api/audit-words.ts'
import { apiRoot } from '../../api/paths.ts'
import { findKeys, openKeys, type Keys } from '../../auth/key.ts'
import { scopes } from '../../auth/principal.ts'
import type { TokenRequest } from '../../auth/token-request.ts'
import { exchangeIdToken } from '../../client/id-token.ts'
import { listItems, withinBound } from '../../client/list-items.ts'
import type { ClientConfig } from '../../config/client-config.ts'
import { readClientConfig, readServerConfig } from '../../config/config.ts'
import { formatActor } from '../../core/audit.ts'
import { formatAccess } from '../../core/access/project-access.ts'
import { limits } from '../../core/limits.ts'
import { isLoopback } from '../../core/loopback.ts'
import { knownFacts } from '../../core/run/run.ts'
import { duration, type FlagValues, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { nodeOptionsOf } from '../action-environment.ts'
import { writeOutputs } from '../output/job-report.ts'
import { type Minted, mintThrough, mintWith } from '../minting.ts'
import { workflowCommand } from '../output/workflow-command.ts'
import { formatTable, write, writeResult } from '../output/output.ts'
import { runFlags } from '../run-flags.ts'
import { connect, serverContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  data: {
    value: 'DIR',
    help: 'mint with the key in this data directory, without a server (TROVE_DATA, tried first unless the server is on another machine or given by --url)',
  },
  projects: {
    value: 'GLOBS',
    help: "several projects, such as 'octo/* acme/**', in place of --project; for scope read or write, minted with scope admin or --data",
  },
  ...runFlags,
  scope: {
    value: 'SCOPE',
    choices: scopes,
    help: `${scopes.join(', ')} (default: job if run and job are known, else read); the last three ignore what the environment tells of a run`,
  },
  expires: {
    value: 'TIME',
    read: duration(1000, limits.tokenLifeMsMax),
    help: 'lifetime, such as 90s, 6h (default) or 30d',
  },
  outputs: {
    value: null,
    help: "in a workflow: masks the token and sets the step outputs `token` and `node-options`, instead of printing it; with the second as NODE_OPTIONS, later steps use GitHub's actions with this store",
  },
} as const

type TokenFlags = FlagValues<typeof flags>

export const tokenCommand: Command<typeof flags> = {
  operands: '[list]',
  summary:
    'Mint a token. With a run and a job it also serves as ACTIONS_RUNTIME_TOKEN. `list` shows the tokens that a server has minted and that have not expired.',
  flags,
  examples: [
    'trove token --project octo/app --run 42 --job build',
    'trove token --project octo/app --scope write --expires 365d',
    "trove token --projects 'octo/* acme/**' --scope read --expires 90d",
    'trove token --scope admin --data /srv/trove',
    'trove token --url https://store.example.com   # with TROVE_TOKEN, or the ID token of the CI job',
    'trove token --url https://store.example.com --outputs   # in a workflow, before actions/upload-artifact',
    'trove token list --project octo/app',
  ],
  exitStatuses: [3, 5, 6, 10],
  async run(invocation) {
    const { flags: given, operands, stdout } = invocation
    const [verb] = takeOperands(operands, [], ['list'])
    if (verb !== undefined) {
      if (verb !== 'list') throw new UsageError(`unexpected argument ${JSON.stringify(verb)}`)
      return await listTokens(invocation)
    }
    if (given.outputs) return await setOutputs(invocation)
    const minted = await mint(invocation)
    await writeResult(stdout, given, minted, () => `${minted.token}\n`)
  },
}

/** Errors: UsageError. */
async function setOutputs(invocation: Invocation<typeof flags>): Promise<void> {
  const { flags: given, stdout } = invocation
  const config = readClientConfig(given)
  if (given.json) throw new UsageError('--outputs prints nothing that --json could change')
  if (config.outputFile === null) {
    throw new UsageError('--outputs is for the step of a workflow, which has GITHUB_OUTPUT')
  }
  const { scope, projects } = given
  if (projects !== undefined || (scope !== undefined && scope !== 'job' && scope !== 'run')) {
    throw new UsageError("--outputs is for GitHub's actions, whose token has scope job or run")
  }
  const { token } = await mint({ ...invocation, flags: { ...given, scope: scope ?? 'job' } })
  // Before anything can show it.
  await write(stdout, workflowCommand('add-mask', token))
  await writeOutputs(config, { token, 'node-options': nodeOptionsOf(config.url, token) })
}

/** Lists all tokens, without a limit: a token that is not shown cannot be revoked. */
async function listTokens({
  flags: given,
  stdout,
  stderr,
  signal,
}: Invocation<typeof flags>): Promise<void> {
  const { server } = await connect(given, { stderr, signal })
  const request = { path: `${apiRoot}/tokens`, query: { project: given.project }, signal }
  const tokens = listItems<WireMintedToken>(server, request)
  const items: WireMintedToken[] = []
  for await (const token of withinBound(server, tokens)) items.push(token)
  await writeResult(stdout, given, items, tokenTable)
  if (items.length === 0) await write(stderr, 'no tokens\n')
}

function tokenTable(items: WireMintedToken[]): string {
  return formatTable(items, [
    ['ID', ({ id }) => id],
    ['PROJECT', ({ project, access }) => project ?? formatAccess(access)],
    ['SCOPE', ({ scope, session }) => (session ? `${scope} (browser)` : scope)],
    ['RUN', ({ run }) => (run === null ? '' : String(run)), 'right'],
    ['JOB', ({ job }) => job ?? ''],
    ['MADE', ({ mintedAt }) => minuteOf(mintedAt)],
    ['BY', ({ mintedBy }) => formatActor(mintedBy)],
    ['ENDS', ({ expiresAt }) => minuteOf(expiresAt)],
    ['STATE', ({ state }) => state],
  ])
}

async function mint(invocation: Invocation<typeof flags>): Promise<Minted> {
  const { flags: given, stderr, signal } = invocation
  const logins = given.data === undefined
  const { server, config } = serverContext(given, { stderr, logins })
  const keys = await keysFor(invocation, config)
  if (keys !== undefined) return await mintWith(keys, requestOf(given, config))
  if (server.token === null && config.idToken !== null) {
    const { scope } = given
    const isOfJob = scope === undefined || scope === 'job' || scope === 'run'
    if (!isOfJob || given.expires !== undefined) {
      throw new UsageError(
        'an ID token can only be exchanged for a token of scope job or run, valid for 6h',
      )
    }
    const { job, facts } = config
    return await exchangeIdToken(server, config.idToken, { job, facts, scope, signal })
  }
  return await mintThrough(server, requestOf(given, config), signal)
}

/** Errors: UsageError. */
function requestOf(given: TokenFlags, config: ClientConfig): TokenRequest {
  const { scope, projects, expires: lifeMs } = given
  const isOfJob =
    scope === undefined
      ? projects === undefined && config.run !== null && config.job !== null
      : scope === 'job' || scope === 'run'
  // A person's token lives longer, so it does not take its run from the environment or from
  // TROVE_TOKEN, only from flags: its claims would be believed of everything uploaded with it.
  const claimed = isOfJob ? config : readClientConfig(given, {})
  const isAnyProject = scope === 'admin' || projects !== undefined
  const request: TokenRequest = {
    project: given.project ?? (isAnyProject ? null : config.project) ?? undefined,
    projects,
    run: claimed.run ?? undefined,
    attempt: claimed.attempt ?? undefined,
    job: claimed.job ?? undefined,
    ...knownFacts(claimed.facts),
    scope,
    expiresInSeconds: lifeMs === undefined ? undefined : Math.floor(lifeMs / 1000),
  }
  if (request.project === undefined && !isAnyProject) {
    throw new UsageError(
      '--project is missing (or TROVE_PROJECT, GITHUB_REPOSITORY, CI_PROJECT_PATH)',
    )
  }
  return request
}

/** Returns undefined when the token is to come from a server. Errors: UsageError when there is
 *  neither a key nor a server. */
async function keysFor(
  { flags: given, stderr }: Invocation<typeof flags>,
  config: ClientConfig,
): Promise<Keys | undefined> {
  // A key on this machine is useless for a server elsewhere.
  const isElsewhere = given.url !== undefined || !isLoopback(new URL(config.url).hostname)
  if (isElsewhere && given.data === undefined) return undefined
  const { dataDir } = readServerConfig({ data: given.data })
  const keys = await findKeys(dataDir)
  if (keys !== undefined) return keys
  if (given.data !== undefined) {
    // A named directory may be new: a server that starts on it later will accept the token.
    const made = await openKeys(dataDir)
    await write(
      stderr,
      `trove: warning: ${dataDir} had no key, so one was created: no server runs there\n`,
    )
    return made
  }
  if (config.token !== null || config.idToken !== null) return undefined
  throw new UsageError(
    `no key in ${dataDir}: use --data DIR, or --url URL with a token of scope write or admin in TROVE_TOKEN`,
  )
}
