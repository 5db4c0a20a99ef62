import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { keepingStatements } from '../../src/metadata/sqlite/connection/kept-statements.ts'

test('a statement is compiled once, until fifty others were used since', () => {
  const database = new SqliteDatabase(':memory:')
  onTestFinished(() => {
    database.close()
  })
  const keeping = keepingStatements(database)
  const select = (number: number) => keeping.prepare(`SELECT ${number} AS number`)
  const [used, unused] = [select(1), select(2)]
  for (let number = 3; number < 52; number++) {
    select(number)
    expect(select(1)).toBe(used)
  }
  expect(select(2)).not.toBe(unused)
  expect(select(2).get()).toEqual({ number: 2 })
  expect(keeping.transaction(() => select(1).get())()).toEqual({ number: 1 })
})
