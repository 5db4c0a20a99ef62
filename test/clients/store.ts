/** A running server with its own data directory, and tokens for it: the basis of the tests with
 *  real clients. */
import { afterAll } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf, type TokenRequest } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import { readServerConfig } from '../../src/config/config.ts'
import type { Environment } from '../../src/config/settings.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import { makeDirectory } from '../client/tree.ts'

export interface Store {
  url: string
  /** Returns a token of a job of run 1 of `octo/demo`, or the requested one. */
  token(request?: TokenRequest): Promise<string>
}

/** Called at the top of a test file; the server is stopped after its last test. */
export async function openStore(environment: Environment = {}): Promise<Store> {
  const data = await makeDirectory()
  const config = readServerConfig({ data, host: '127.0.0.1', port: '0' }, environment)
  const server = await startServer(config, { log: createLog('warn') })
  afterAll(server.close)
  const keys = await openKeys(data)
  const token: Store['token'] = async (request = {}) => {
    const asked = { project: 'octo/demo', run: 1, job: 'build', ...request }
    return await mintToken(keys.tokens, grantOf(asked, Date.now()))
  }
  return { url: server.url, token }
}
