/** A running server with its own data directory, and tokens for it: the basis of the tests with
 *  real clients. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf, type TokenRequest } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import type { Environment } from '../../src/config/settings.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'

export interface Store {
  url: string
  dataDir: string
  /** Returns a token of a job of run 1 of `octo/demo`, or the requested one. */
  token(request?: TokenRequest): Promise<string>
  /** Stops the server and removes its directory. */
  close(): Promise<void>
}

export async function openStore(environment: Environment = {}): Promise<Store> {
  const dataDir = await mkdtemp(join(tmpdir(), 'trove-'))
  const config = readServerConfig({ data: dataDir, host: '127.0.0.1', port: '0' }, environment)
  const server = await startServer(config, { log: createLog('warn') })
  const keys = await openKeys(dataDir)
  return {
    url: server.url,
    dataDir,
    token: (request = {}) =>
      mintToken(
        keys.tokens,
        grantOf({ project: 'octo/demo', run: 1, job: 'build', ...request }, Date.now()),
      ),
    close: async () => {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
