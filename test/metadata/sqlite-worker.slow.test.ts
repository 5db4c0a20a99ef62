import { openMetadataWorker } from '../../src/metadata/sqlite/thread/sqlite-worker.ts'
import { metadataContract } from './metadata-contract.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

metadataContract('SQLite on a thread of its own', async () => {
  return await openMetadataWorker({ path: await newDatabase() })
})
