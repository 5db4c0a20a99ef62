/** The server that stores the artifacts of a workflow run: a running one, or one started for the
 *  run. */
import { findKeys, openKeys } from '../../auth/key.ts'
import type { TokenRequest } from '../../auth/token-request.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { NetworkError } from '../../client/transport/network-error.ts'
import { untilThrough } from '../../client/transport/retry.ts'
import { readServerConfig } from '../../config/config.ts'
import { hasCode, hasErrno } from '../../core/errors.ts'
import type { HttpProxy } from '../../core/http-proxy.ts'
import { dayMs } from '../../core/units.ts'
import { createLog } from '../../log.ts'
import { DataLockedError } from '../../metadata/sqlite/data-lock.ts'
import { mintThrough, mintWith } from '../minting.ts'
import { startServer, type RunningServer } from '../../server.ts'

export interface RunServer {
  /** Origin, without a trailing slash. */
  url: string
  /** Proxy to go through; null: a direct connection. */
  proxy: HttpProxy | null
  /** Longest retention. A project may have a shorter one, which the server enforces itself. */
  retentionDaysMax: number
  mint: (request: TokenRequest) => Promise<string>
  close: () => Promise<void>
}

export interface RunServerOptions {
  /** The server that flags or environment select, with a token that may mint tokens for jobs. */
  access: ServerAccess
  /** Whether to use that server, whatever is on this machine. */
  isGiven: boolean
  data: string | undefined
}

/** The default of a server, since no server reports its setting. */
const retentionDaysMaxUsual = 400

/** Uses the given server; else starts one on the data directory; else, when the directory is in
 *  use, uses the server that holds it. Errors: ConfigError, those of the system when it cannot
 *  listen, DataLockedError. */
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
      mint: async (request) => (await mintThrough(access, request)).token,
      close: () => Promise.resolve(),
    }
  const { dataDir, retention } = readServerConfig({ data })
  const retentionDaysMax = Math.floor(retention.maxMs / dayMs)
  try {
    const server = await startFreely(data)
    const ownKeys = await openKeys(dataDir)
    const close = async (): Promise<void> => await server.close()
    const mint: RunServer['mint'] = async (request) => (await mintWith(ownKeys, request)).token
    return { url: server.url, proxy: null, retentionDaysMax, mint, close }
  } catch (error) {
    if (!(error instanceof DataLockedError)) throw error
    const keys = await findKeys(dataDir)
    if (keys === undefined) throw error
    const mint: RunServer['mint'] = async (request) => (await mintWith(keys, request)).token
    const { url, proxy = null } =
      error.serverUrl === null ? access : { url: error.serverUrl, proxy: null }
    return { url, proxy, retentionDaysMax, mint, close: () => Promise.resolve() }
  }
}

/** Uses the default port, so that links still work with `trove serve` later; any free port when
 *  that one is taken. */
async function startFreely(data: string | undefined): Promise<RunningServer> {
  const config = readServerConfig({ data })
  const log = createLog(config.logLevel === 'info' ? 'warn' : config.logLevel)
  try {
    return await startServer(config, { log })
  } catch (error) {
    if (!hasErrno(error, 'EADDRINUSE')) throw error
    return await startServer(readServerConfig({ data, port: '0' }), { log })
  }
}

/** Returns a `mint` that waits for a server that is restarting, usually for some twenty seconds, so
 *  that a restart does not fail the job that starts just then. Errors: those of `server.mint`, the
 *  signal's. */
export function mintAcrossRestarts(
  server: Pick<RunServer, 'mint'>,
  { signal, onRetry }: { signal: AbortSignal; onRetry(error: unknown): void },
): RunServer['mint'] {
  return async (request) =>
    await untilThrough(async () => await server.mint(request), {
      isPassing: (error) =>
        error instanceof NetworkError || hasCode(error, 'shutting_down', 'busy'),
      onRetry,
      signal,
    })
}
