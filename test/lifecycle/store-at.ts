/** The store of a data directory, opened and recovered as by a starting server. */
import { join } from 'node:path'
import { limits } from '../../src/core/limits.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import type { LifecyclePorts } from '../../src/lifecycle/ports.ts'
import {
  recover,
  type Recovery,
  sweepAtStart,
  type Swept,
} from '../../src/lifecycle/recovery/recover.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'

export type StoreAt = Pick<LifecyclePorts, 'metadata' | 'packs' | 'now'>

export async function openStoreAt(directory: string, now = Date.now): Promise<StoreAt> {
  return {
    metadata: openSqliteMetadata({ path: join(directory, 'trove.db'), now }),
    packs: await openLocalPackStore({ directory: join(directory, 'cas') }),
    now,
  }
}

export async function closeStore({ metadata, packs }: Omit<StoreAt, 'now'>): Promise<void> {
  await packs.close()
  await metadata.close()
}

export async function withStoreAt<T>(
  directory: string,
  work: (store: StoreAt) => Promise<T>,
): Promise<T> {
  const store = await openStoreAt(directory)
  try {
    return await work(store)
  } finally {
    await closeStore(store)
  }
}

export async function recoverAt(
  directory: string,
  ports: LifecyclePorts,
): Promise<Recovery & Swept> {
  const staging = await openStaging(join(directory, 'cas', 'staging', 'uploads'), {
    uploadBytesMax: limits.artifactBytesMax,
  })
  return { ...(await recover({ ...ports, staging })), ...(await sweepAtStart(ports)) }
}
