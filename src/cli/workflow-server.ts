/** The server that a workflow run keeps its artifacts in: one that is running, or one for the length of the run. */
import type { WireToken } from '../api/admin-messages.ts'
import { apiRoot } from '../api/paths.ts'
import { findKeys, openKeys, type Keys } from '../auth/key.ts'
import { grantOf, type TokenRequest } from '../auth/token-request.ts'
import { mintToken } from '../auth/tokens.ts'
import { requestJson, type ServerAccess } from '../client/transport/http.ts'
import { readServerConfig } from '../config.ts'
import type { HttpProxy } from '../core/http-proxy.ts'
import { dayMs } from '../core/units.ts'
import { createLog } from '../log.ts'
import { DataLockedError } from '../metadata/data-lock.ts'
import { startServer, type RunningServer } from '../server.ts'

export interface RunServer {
  /** Origin, without a trailing slash. */
  url: string
  /** What it is reached through. */
  proxy: HttpProxy | null
  /** The longest that an artifact can be kept. A project of the server may have less, which it sees to itself. */
  retentionDaysMax: number
  mint: (request: TokenRequest) => Promise<string>
  close: () => Promise<void>
}

export interface RunServerOptions {
  /** The server that flags or the environment name, and a token that may mint those of jobs. */
  access: ServerAccess
  /** True when that server is meant, whatever lies on this machine. */
  isGiven: boolean
  data: string | undefined
}

/** What a server has whose operator says nothing else: none tells. */
const retentionDaysMaxUsual = 400

/** Uses the given server; else starts one on the data directory; else, when the directory is in use, the server that
 *  uses it. Errors: ConfigError, those of the system when it cannot listen, DataLockedError. */
export async function openRunServer({
  access,
  isGiven,
  data,
}: RunServerOptions): Promise<RunServer> {
  if (isGiven)
    return {
      url: access.url,
      proxy: access.proxy ?? null,
      retentionDaysMax: retentionDaysMaxUsual,
      mint: mintThrough(access),
      close: () => Promise.resolve(),
    }
  const { dataDir, retention } = readServerConfig({ data })
  const retentionDaysMax = Math.floor(retention.maxMs / dayMs)
  try {
    const server = await startFreely(data)
    const mint = mintWith(await openKeys(dataDir))
    const close = async (): Promise<void> => await server.close()
    return { url: server.url, proxy: null, retentionDaysMax, mint, close }
  } catch (error) {
    if (!(error instanceof DataLockedError)) throw error
    const keys = await findKeys(dataDir)
    if (keys === undefined) throw error
    const mint = mintWith(keys)
    const { url, proxy = null } =
      error.serverUrl === null ? access : { url: error.serverUrl, proxy: null }
    return { url, proxy, retentionDaysMax, mint, close: () => Promise.resolve() }
  }
}

/** On its usual port, so that links keep their meaning for `trove serve` later; on any other when that one is taken. */
async function startFreely(data: string | undefined): Promise<RunningServer> {
  const config = readServerConfig({ data })
  const log = createLog(config.logLevel === 'info' ? 'warn' : config.logLevel)
  try {
    return await startServer(config, { log })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return await startServer(readServerConfig({ data, port: '0' }), { log })
  }
}

function mintWith(keys: Keys): RunServer['mint'] {
  return async (request) => await mintToken(keys.tokens, grantOf(request, Date.now()))
}

function mintThrough(server: ServerAccess): RunServer['mint'] {
  return async (request) => {
    const path = `${apiRoot}/tokens`
    const asked = { method: 'POST' as const, path, json: request }
    return (await requestJson<WireToken>(server, asked, ['token'])).token
  }
}
