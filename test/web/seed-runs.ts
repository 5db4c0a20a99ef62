/** Writes artifacts of many runs directly to the database of a running server, since uploading
 *  as many takes a second. */
import { join } from 'node:path'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import type { TestServer } from '../http/open-server.ts'
import { seedArtifact, seedRun } from '../metadata/seed.ts'

/** Adds one artifact to each of `count` runs, numbered from `first`. */
export async function seedRuns(
  { dataDir, clock: { now } }: TestServer,
  {
    first,
    count,
    name,
    ...run
  }: { first: number; count: number; name: string; project: string; branch?: string },
): Promise<void> {
  const metadata = openSqliteMetadata({ path: join(dataDir, 'trove.db') })
  for (let number = first; number < first + count; number++) {
    const times = { createdAt: now, now, expiresAt: now + 86_400_000 }
    await seedArtifact(
      metadata,
      await seedRun(metadata, { ...run, number }),
      { a: `${number}` },
      { name, ...times },
    )
  }
  await metadata.close()
}
