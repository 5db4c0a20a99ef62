import { openMetadataWorker } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { metadataContract } from './metadata-contract.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

// Starting a thread per test takes most of the time: these parts pass values of every kind; the
// slow test runs all parts.
metadataContract(
  'SQLite on a thread of its own',
  async () => await openMetadataWorker({ path: await newDatabase() }),
  ['projects and runs', 'reading'],
)
