/** Which server a command talks to, and as whom. */
import type { ServerAccess } from '../client/transport/http.ts'
import { type ClientConfig, type ClientFlags, readClientConfig } from '../config.ts'
import type { ProjectName } from '../core/run.ts'

export interface ServerContext {
  server: ServerAccess
  config: ClientConfig
  project: ProjectName | null
}

/** Errors: ConfigError. */
export function serverContext(flags: ClientFlags): ServerContext {
  const config = readClientConfig(flags)
  const { url, token, proxy, project } = config
  return { server: { url, token, proxy }, config, project }
}
