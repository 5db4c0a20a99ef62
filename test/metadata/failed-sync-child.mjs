/** Writes to a database while syncs of its log fail (failing-sync.c). Prints the outcome of each
 *  write, and the rows that the database has without its log. */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import SqliteDatabase from 'better-sqlite3'
import { openConnection } from '../../dist/src/metadata/sqlite/connection/connection.js'

const path = process.argv[2]
const trigger = process.env['FAIL_LOG_SYNC']
const connection = openConnection({ path })
connection.write(() => connection.prepare('create table words (word text)').run())
connection.checkpoint()

const insert = connection.prepare('insert into words values (?)')
const outcomes = []
const write = (word) => {
  try {
    connection.write(() => insert.run(word))
    outcomes.push('written')
  } catch (error) {
    outcomes.push(error.code)
  }
}
connection.stage(() => insert.run('staged'))
writeFileSync(trigger, '')
write('first')
write('second')
rmSync(trigger)
write('third')

copyFileSync(path, `${path}-alone`)
const alone = new SqliteDatabase(`${path}-alone`)
const rows = alone.prepare('select word from words').pluck().all()
console.log(JSON.stringify({ outcomes, rows }))
