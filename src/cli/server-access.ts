/** Selects the server that a command talks to, and its token. */
import { type Client, createClient, type WireArtifact } from '../client/client.ts'
import { readArtifact } from '../client/find-artifact.ts'
import { exchangeIdToken } from '../client/id-token.ts'
import type { ServerAccess } from '../client/transport/http.ts'
import type { ClientConfig, ClientFlags } from '../config/client-config.ts'
import { readClientConfig, readCommandConfig } from '../config/config.ts'
import type { NameReference, Reference } from '../core/reference.ts'
import type { ProjectName } from '../core/run/run.ts'
import { UsageError } from './arguments.ts'
import type { Invocation } from './command.ts'
import { createProgress, type Progress } from './output/progress.ts'

type Surroundings = Pick<Invocation, 'stderr' | 'signal'>

export interface ServerContext {
  server: ServerAccess
  client: Client
  config: ClientConfig
  project: ProjectName | null
  /** Also reports outages of the server. */
  progress: Progress
}

/** Follows flags, environment and, unless `logins` is false, `trove login`. Errors: ConfigError. */
export function serverContext(
  flags: ClientFlags,
  { stderr, logins = true }: { stderr: NodeJS.WriteStream; logins?: boolean },
): ServerContext {
  const config = logins ? readCommandConfig(flags) : readClientConfig(flags)
  const progress = createProgress(stderr, config)
  const client = createClient({ ...config, onOutage: progress.retrying })
  return { server: client.server, client, config, project: config.project, progress }
}

/** Like `serverContext`, but when no token is set, exchanges the ID token of the CI job for one.
 *  Errors: ConfigError, those of `exchangeIdToken`. */
export async function connect(
  flags: ClientFlags,
  surroundings: Surroundings,
): Promise<ServerContext> {
  return await withToken(serverContext(flags, surroundings), flags, surroundings)
}

/** Like `connect`, for a context of the same flags: a token that comes from a pipe can only be read
 *  once. */
export async function withToken(
  context: ServerContext,
  flags: ClientFlags,
  { stderr, signal }: Surroundings,
): Promise<ServerContext> {
  const { token, idToken, job, facts } = context.config
  if (token !== null || idToken === null) return context
  const minted = await exchangeIdToken(context.server, idToken, { job, facts, signal })
  return serverContext({ ...flags, token: minted.token }, { stderr })
}

/** Like `connect`, and reads the artifact that `given` names. Errors: those of `connect`, `inRun`
 *  and `readArtifact`. */
export async function connectTo(
  flags: ClientFlags,
  given: Reference | NameReference,
  surroundings: Surroundings,
): Promise<ServerContext & { artifact: WireArtifact }> {
  const context = await connect(flags, surroundings)
  const { server, project } = context
  const { signal } = surroundings
  const reference = inRun(given, context.config)
  return { ...context, artifact: await readArtifact(server, reference, { project, signal }) }
}

/** Errors: UsageError, when no project is given. */
export function requireProject<Name extends string>(project: Name | null): Name {
  if (project !== null) return project
  throw new UsageError('the project is missing: set --project or TROVE_PROJECT')
}

/** Completes NAME alone to an artifact of the job's run. Errors: UsageError. */
export function inRun(
  reference: Reference | NameReference,
  { run }: Pick<ClientConfig, 'run'>,
): Reference {
  if (reference.kind !== 'name') return reference
  const { name } = reference
  if (run === null)
    throw new UsageError(
      `${JSON.stringify(name)} names no run: write RUN/${name}, latest:BRANCH/${name} or id:123, or set TROVE_RUN`,
    )
  return { kind: 'run', project: null, run, name }
}
