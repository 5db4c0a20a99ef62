/** Compares drizzle's tables with the migrated database: names, types, nullability, keys,
 *  indexes. */
import SqliteDatabase from 'better-sqlite3'
import { type SQL, is } from 'drizzle-orm'
import { SQLiteSyncDialect, SQLiteTable, getTableConfig } from 'drizzle-orm/sqlite-core'
import { describe, expect, test } from 'vitest'
import * as artifactTables from '../../schema/artifacts.ts'
import * as auditTables from '../../schema/audit.ts'
import * as contentTables from '../../schema/content.ts'
import * as recordTables from '../../schema/run-records.ts'
import * as runTables from '../../schema/runs.ts'
import * as secretTables from '../../schema/secrets.ts'
import * as sessionTables from '../../schema/sessions.ts'
import * as tokenTables from '../../schema/tokens.ts'
import * as uploadTables from '../../schema/stock-uploads.ts'
import * as usageTables from '../../schema/usage-history.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()
const tables = Object.values({
  ...artifactTables,
  ...auditTables,
  ...contentTables,
  ...recordTables,
  ...runTables,
  ...secretTables,
  ...sessionTables,
  ...tokenTables,
  ...uploadTables,
  ...usageTables,
})
  .filter((value) => is(value, SQLiteTable))
  .map((table) => getTableConfig(table))
const dialect = new SQLiteSyncDialect()

async function openMigrated(): Promise<SqliteDatabase.Database> {
  return new SqliteDatabase(await newDatabase(), { readonly: true })
}

/** SQL text normalized for comparison. */
function plain(sql: string): string {
  return sql
    .replaceAll(/["`\s]+/g, ' ')
    .trim()
    .toLowerCase()
}

function indexSql(where: SQL | undefined): string | undefined {
  return where && plain(dialect.sqlToQuery(where).sql)
}

describe('schema/', () => {
  test('has the tables of the migrated database', async () => {
    const database = await openMigrated()
    const names = database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all() as string[]
    const ours = tables.map((table) => table.name)
    expect(names.filter((name) => name !== '__drizzle_migrations').toSorted()).toEqual(
      ours.toSorted(),
    )
  })

  test.each(tables.map((table) => [table.name, table] as const))(
    '%s has its columns, in order, with their types, nullability and primary key',
    async (name, table) => {
      const database = await openMigrated()
      const rows = database.pragma(`table_info("${name}")`) as ColumnRow[]
      const composite = table.primaryKeys[0]?.columns.map((column) => column.name) ?? []
      expect(
        table.columns.map((column) => ({
          name: column.name,
          type: column.getSQLType(),
          notNull: column.notNull,
          key: column.primary || composite.includes(column.name),
        })),
      ).toEqual(
        rows.map((row) => ({
          name: row.name,
          type: row.type.toLowerCase(),
          // An INTEGER PRIMARY KEY is the rowid, which is never null.
          notNull: row.notnull === 1 || (row.pk === 1 && row.type === 'INTEGER'),
          key: row.pk > 0,
        })),
      )
      const keyOrder = rows.filter((row) => row.pk > 0).toSorted((a, b) => a.pk - b.pk)
      if (composite.length > 0) expect(keyOrder.map((row) => row.name)).toEqual(composite)
    },
  )

  test.each(tables.map((table) => [table.name, table] as const))(
    '%s has its indexes and foreign keys',
    async (name, table) => {
      const database = await openMigrated()
      const list = database.pragma(`index_list("${name}")`) as IndexRow[]
      const indexes = list
        .filter((index) => index.origin === 'c')
        .map((index) => ({
          name: index.name,
          unique: index.unique === 1,
          columns: (
            database.pragma(`index_info("${index.name}")`) as { name: string | null }[]
          ).map((column) => column.name),
          where: whereOf(database, index.name),
        }))
      const ours = table.indexes.map(({ config }) => ({
        name: config.name,
        unique: config.unique,
        // An expression has no name.
        columns: config.columns.map((column) => ('name' in column ? column.name : null)),
        where: indexSql(config.where),
      }))
      expect(byName(ours)).toEqual(byName(indexes))

      const foreign = database.pragma(`foreign_key_list("${name}")`) as ForeignRow[]
      expect(
        table.foreignKeys
          .map((key) => key.reference())
          .map(({ columns, foreignTable, foreignColumns }) =>
            [columns[0]!.name, getTableConfig(foreignTable).name, foreignColumns[0]!.name].join(
              ' ',
            ),
          )
          .toSorted(),
      ).toEqual(foreign.map((row) => `${row.from} ${row.table} ${row.to}`).toSorted())
    },
  )
})

interface ColumnRow {
  name: string
  type: string
  notnull: number
  pk: number
}
interface IndexRow {
  name: string
  unique: number
  origin: string
}
interface ForeignRow {
  from: string
  table: string
  to: string
}

function byName<Item extends { name: string }>(items: Item[]): Item[] {
  return items.toSorted((a, b) => a.name.localeCompare(b.name))
}

function whereOf(database: SqliteDatabase.Database, index: string): string | undefined {
  const sql = database
    .prepare('SELECT sql FROM sqlite_schema WHERE name = ?')
    .pluck()
    .get(index) as string
  const where = /\sWHERE\s([\s\S]*)$/i.exec(sql)?.[1]
  return where === undefined ? undefined : plain(where)
}
