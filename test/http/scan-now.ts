/** Runs the search for secrets now, which the background does within a minute. */
import { join } from 'node:path'
import { scanForSecrets, type SecretsReport } from '../../src/lifecycle/secret-scan.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { TestServer } from './open-server.ts'

export async function scanNow({ dataDir, clock }: TestServer): Promise<SecretsReport> {
  const metadata = openSqliteMetadata({ path: join(dataDir, 'trove.db') })
  const packs = await openLocalPackStore({ directory: join(dataDir, 'cas') })
  try {
    const ports = { metadata, packs, now: () => clock.now }
    return await scanForSecrets(ports, { bytesPerSecond: null })
  } finally {
    await packs.close()
    await metadata.close()
  }
}
