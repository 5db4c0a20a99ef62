import { openMetadataWorker } from '../../src/metadata/sqlite-worker.ts'
import { metadataContract } from './metadata-contract.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

// Starting a thread for each test takes most of the time: these parts move values of every kind, the slow test runs all.
metadataContract(
  'SQLite on a thread of its own',
  async () => await openMetadataWorker({ path: await newDatabase() }),
  ['projects and runs', 'reading'],
)
