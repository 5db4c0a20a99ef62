/** A server shared by the tests of one file, and uploads to it. */
import { afterAll } from 'vitest'
import { openKeys } from '../../src/auth/key.ts'
import { grantOf } from '../../src/auth/token-request.ts'
import { mintToken } from '../../src/auth/tokens.ts'
import type { Client } from '../../src/client/client.ts'
import { startTrove, type TroveProcess } from '../clients/trove-process.ts'
import { openSharedServer } from '../http/open-server.ts'
import { makeDirectory } from './tree.ts'

export interface SharedServer {
  data: string
  trove: TroveProcess
  /** Belongs to a person who may write to `octo/demo`. */
  token: string
}

/** Called at the top of a test file; the server is stopped after its last test. */
export async function startSharedServer(): Promise<SharedServer> {
  const data = await makeDirectory()
  const trove = await startTrove(data)
  const { tokens } = await openKeys(data)
  const grant = grantOf({ project: 'octo/demo', scope: 'write' }, Date.now())
  const token = await mintToken(tokens, grant, 'api')
  afterAll(trove.stop)
  return { data, trove, token }
}

/** The same in the process of the tests, which starts in half the time. */
export async function openClientServer(): Promise<{ data: string; url: string; token: string }> {
  const { dataDir, url, token } = await openSharedServer()
  return { data: dataDir, url, token: await token({ project: 'octo/demo', scope: 'write' }) }
}

let lastRun = 100

/** Uploads a directory as artifact `build` of a new run, unless `more` says otherwise. */
export async function uploadDirectory(
  client: Client,
  directory: string,
  more: Partial<Parameters<Client['upload']>[0]> = {},
): ReturnType<Client['upload']> {
  lastRun += 1
  const source = { kind: 'patterns', patterns: ['.'], directory, includeHidden: true } as const
  return await client.upload({ project: 'octo/demo', run: lastRun, name: 'build', source, ...more })
}
