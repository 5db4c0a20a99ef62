/** Selects the server that a command talks to, and its token. */
import { type Client, createClient } from '../client/client.ts'
import { exchangeIdToken } from '../client/id-token.ts'
import type { ServerAccess } from '../client/transport/http.ts'
import type { ClientConfig, ClientFlags } from '../client-config.ts'
import { readClientConfig, readCommandConfig } from '../config.ts'
import type { ProjectName } from '../core/run.ts'

export interface ServerContext {
  server: ServerAccess
  client: Client
  config: ClientConfig
  project: ProjectName | null
}

/** Follows flags, environment and, unless `logins` is false, `trove login`. Errors: ConfigError. */
export function serverContext(flags: ClientFlags, { logins = true } = {}): ServerContext {
  const config = logins ? readCommandConfig(flags) : readClientConfig(flags)
  const client = createClient(config)
  return { server: client.server, client, config, project: config.project }
}

/** Like `serverContext`, but when no token is set, exchanges the ID token of the CI job for one.
 *  Errors: ConfigError, those of `exchangeIdToken`. */
export async function connect(flags: ClientFlags, signal: AbortSignal): Promise<ServerContext> {
  const context = serverContext(flags)
  const { token, idToken, job, facts } = context.config
  if (token !== null || idToken === null) return context
  const minted = await exchangeIdToken(context.server, idToken, { job, facts, signal })
  return serverContext({ ...flags, token: minted.token })
}
