import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { runRecordsContract } from './contract/run-records.ts'

// The slow test runs it on threads.
runRecordsContract((path) => Promise.resolve(openSqliteMetadata({ path })))
