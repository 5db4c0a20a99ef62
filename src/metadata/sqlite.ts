/** Metadata in a SQLite file, on the thread that calls. Several threads may have the same file open. The methods are
 *  grouped by the part of the store they are about, one file each in `sqlite/`. */
import type { Metadata } from './metadata.ts'
import { createArtifactMethods } from './sqlite/artifacts.ts'
import { createCommitMethods } from './sqlite/commit.ts'
import { createCompositeMethods } from './sqlite/composites.ts'
import { type ConnectionOptions, openConnection } from './sqlite/connection.ts'
import { createDamage } from './sqlite/damage.ts'
import { createFigureMethods } from './sqlite/figures.ts'
import { createPackMethods } from './sqlite/packs.ts'
import { createReadingMethods } from './sqlite/reading.ts'
import { createRemovalMethods, createRemoval } from './sqlite/removal.ts'
import { createRunMethods } from './sqlite/runs.ts'
import { createSessionMethods } from './sqlite/sessions.ts'
import { createStagingMethods } from './sqlite/staging.ts'
import { createSweepMethods } from './sqlite/sweep.ts'
import { createUploadMethods } from './sqlite/uploads.ts'

/** Opens the database at `path`, creating or migrating it first where needed. */
export function openSqliteMetadata(options: ConnectionOptions): Metadata {
  const connection = openConnection(options)
  const removal = createRemoval(connection)
  const damage = createDamage(connection)
  return {
    ...createRunMethods(connection),
    ...createUploadMethods(connection),
    ...createSessionMethods(connection, removal),
    ...createPackMethods(connection, damage),
    ...createCompositeMethods(connection),
    ...createStagingMethods(connection),
    ...createCommitMethods(connection, removal),
    ...createArtifactMethods(connection),
    ...createReadingMethods(connection),
    ...createRemovalMethods(connection, removal),
    markDamaged: damage.markDamaged,
    ...createSweepMethods(connection, removal),
    ...createFigureMethods(connection),
    close: async () => connection.close(),
  }
}
