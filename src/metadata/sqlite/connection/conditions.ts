/** Conditions of queries. */
import { type Column, type SQL, type SQLWrapper, eq, sql } from 'drizzle-orm'

/** The value of a column for a condition that must not make SQLite pick an index: it does not
 *  know how rows are distributed, and would leave the index along which they are walked
 *  (stretches.ts). */
export function plain<C extends Column>(column: C): SQL<C['_']['data']> {
  return sql`+${column}`
}

/** No condition where the value is undefined. */
export function given<Value>(
  value: Value | undefined,
  condition: (value: Value) => SQL | undefined,
): SQL | undefined {
  return value === undefined ? undefined : condition(value)
}

/** No condition where the value is undefined. */
export function equals(column: SQLWrapper, value: unknown): SQL | undefined {
  return given(value, (wanted) => eq(column, wanted))
}

/** Ignores ASCII case. */
export function isSameText(column: Column, text: string): SQL {
  return sql`lower(${column}) = lower(${text})`
}

/** One parameter, however many there are: each statement of a walk has the condition. */
export function isOneOf(value: SQLWrapper, numbers: readonly number[]): SQL {
  return sql`${value} IN (SELECT j.value FROM json_each(${JSON.stringify(numbers)}) j)`
}
