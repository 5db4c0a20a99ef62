/** Which server a command talks to, and as whom. */
import { type Client, createClient } from '../client/client.ts'
import { exchangeIdToken } from '../client/id-token.ts'
import type { ServerAccess } from '../client/transport/http.ts'
import type { ClientConfig, ClientFlags } from '../client-config.ts'
import { readClientConfig } from '../config.ts'
import type { ProjectName } from '../core/run.ts'

export interface ServerContext {
  server: ServerAccess
  client: Client
  config: ClientConfig
  project: ProjectName | null
}

/** As flags and environment say. Errors: ConfigError. */
export function serverContext(flags: ClientFlags): ServerContext {
  const config = readClientConfig(flags)
  const client = createClient(config)
  return { server: client.server, client, config, project: config.project }
}

/** The same, with a token for the ID token of the CI job that this runs in, where nothing names a token.
 *  Errors: ConfigError, those of `exchangeIdToken`. */
export async function connect(flags: ClientFlags, signal: AbortSignal): Promise<ServerContext> {
  const context = serverContext(flags)
  const { token, idToken, job } = context.config
  if (token !== null || idToken === null) return context
  const minted = await exchangeIdToken(context.server, idToken, { job, signal })
  return serverContext({ ...flags, token: minted.token })
}
