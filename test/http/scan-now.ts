/** Runs the search for secrets now, which the background does within a minute. */
import { scanForSecrets, type SecretsReport } from '../../src/lifecycle/secret-scan.ts'
import { withStoreAt } from '../lifecycle/store-at.ts'
import type { TestServer } from './open-server.ts'

export async function scanNow({ dataDir, clock }: TestServer): Promise<SecretsReport> {
  return await withStoreAt(dataDir, async (store) => {
    const ports = { ...store, now: () => clock.now }
    return await scanForSecrets(ports, { bytesPerSecond: null })
  })
}
