/** Query plans of statements. */
import SqliteDatabase from 'better-sqlite3'

/** The steps that visit a whole table or index, each with one statement that has it. */
export function findScans(
  path: string,
  statements: Iterable<string>,
): { step: string; sql: string }[] {
  const database = new SqliteDatabase(path, { readonly: true })
  const scans = new Map<string, string>()
  for (const sql of oneOfEachForm(statements)) {
    if (!/^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(sql)) continue
    for (const step of planOf(database, sql)) {
      if (step.startsWith('SCAN ')) scans.set(step, sql.slice(0, 400))
    }
  }
  database.close()
  return [...scans].map(([step, sql]) => ({ step, sql }))
}

/** The first step of each statement that reads artifacts, or whatever the pattern finds. */
export function firstSteps(
  path: string,
  statements: Iterable<string>,
  isMeant = /"artifacts"/,
): Set<string> {
  const database = new SqliteDatabase(path, { readonly: true })
  const steps = [...oneOfEachForm(statements)]
    .filter((sql) => /^\s*select\b/i.test(sql) && isMeant.test(sql))
    .map((sql) => planOf(database, sql)[0]!)
  database.close()
  return new Set(steps)
}

function planOf(database: SqliteDatabase.Database, sql: string): string[] {
  // A bound Infinity appears in a form that SQL does not accept.
  const readable = sql.replaceAll(/\bInf\b/g, '9e999')
  database.function('name_key', { deterministic: true }, (name) => name)
  const rows = database.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${readable}`).all()
  return rows.map((row) => row.detail)
}

/** One statement of each form: statements that differ only in values have the same plan. */
function oneOfEachForm(statements: Iterable<string>): Iterable<string> {
  const forms = new Map<string, string>()
  for (const sql of statements) {
    forms.set(sql.replaceAll(/[xX]?'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b/g, '?'), sql)
  }
  return forms.values()
}
