import { openSqliteMetadata } from '../../src/metadata/sqlite.ts'
import { metadataContract } from './metadata-contract.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

metadataContract('SQLite on the calling thread', async () =>
  openSqliteMetadata({ path: await newDatabase() }),
)
