/** Matrices: expands a `strategy.matrix` into combinations, by GitHub's rules of include and
 *  exclude. */
import { bounds } from '../bounds.ts'
import { equals, isObject, type Json } from '../expression/expression.ts'

export type Combination = { [key: string]: Json }

/** One combination, and the suffix of its job's name. */
export interface MatrixEntry {
  values: Combination
  /** ` (ubuntu, 20)`, or '' when there are no values to show. */
  suffix: string
}

/** Expands an evaluated matrix in the order of its keys and values. An empty list means that no
 *  combination is left. Throws an Error with the reason when the matrix is malformed. */
export function expandMatrix(matrix: Json): MatrixEntry[] {
  if (!isObject(matrix)) throw new Error('matrix must be a mapping of names to lists')
  const { include, exclude, ...axes } = matrix
  let combinations: Combination[] = Object.keys(axes).length === 0 ? [] : [{}]
  for (const [name, values] of Object.entries(axes)) {
    if (!Array.isArray(values)) throw new Error(`matrix.${name} must be a list`)
    if (values.length === 0) throw new Error(`matrix.${name} has no values`)
    const count = combinations.length * values.length
    if (count > bounds.matrixProductMax) {
      const most = `the limit before 'exclude' is ${bounds.matrixProductMax}`
      throw new Error(`the matrix has at least ${count} combinations, ${most}`)
    }
    combinations = combinations.flatMap((combination) =>
      values.map((value) => ({ ...combination, [name]: value })),
    )
  }
  for (const excluded of readList(exclude, 'exclude')) {
    for (const name of Object.keys(excluded)) {
      if (keyIn(axes, name) === undefined)
        throw new Error(`matrix.exclude names ${name}, which is not a key of the matrix`)
    }
    combinations = combinations.filter((combination) => !agrees(combination, excluded))
  }
  return addIncludes(combinations, readList(include, 'include'), axes)
}

/** The spelling of a key in an object. Keys of a matrix are case-insensitive, as in `matrix.OS`. */
function keyIn(object: Readonly<Record<string, Json>>, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name
  return Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase())
}

/** Each entry extends every combination whose original values it does not contradict. An entry that
 *  extends none becomes a new combination, which later entries do not extend. Job names show the
 *  original values of a combination only. */
function addIncludes(
  combinations: Combination[],
  includes: Combination[],
  axes: { [key: string]: Json },
): MatrixEntry[] {
  const extended = combinations.map((combination) => ({ ...combination }))
  const added: Combination[] = []
  for (const entry of includes) {
    const pairs = Object.entries(entry)
    const isAxis = (name: string): boolean => keyIn(axes, name) !== undefined
    const wanted = Object.fromEntries(pairs.filter(([name]) => isAxis(name)))
    const more = pairs.filter(([name]) => !isAxis(name))
    const targets = extended.filter((_, index) => agrees(combinations[index] ?? {}, wanted))
    // The values of axes come first, as in the names of the other jobs.
    if (targets.length === 0) added.push({ ...wanted, ...Object.fromEntries(more) })
    for (const target of targets) {
      for (const [name, value] of more) target[keyIn(target, name) ?? name] = value
    }
  }
  return [
    ...extended.map((values, index) => ({ values, suffix: suffixOf(combinations[index] ?? {}) })),
    ...added.map((values) => ({ values, suffix: suffixOf(values) })),
  ]
}

/** Whether `value` matches `wanted`, which may name only some axes, and only parts of lists and
 *  objects. Compares as `==` does, so `18` equals `'18'`. */
function agrees(value: Json, wanted: Json): boolean {
  if (wanted === null || typeof wanted !== 'object') return equals(value, wanted)
  const parts: { [key: string]: Json } =
    value === null ? {} : Object.fromEntries(Object.entries(value))
  return Object.entries(wanted).every(([name, item]) => {
    const key = keyIn(parts, name)
    return agrees((key === undefined ? undefined : parts[key]) ?? null, item)
  })
}

function readList(value: Json | undefined, name: string): Combination[] {
  if (value === undefined || value === null || value === '') return []
  if (!Array.isArray(value) || !value.every(isObject))
    throw new Error(`matrix.${name} must be a list of mappings`)
  return value
}

function suffixOf(combination: Combination): string {
  const texts = leafTexts(combination)
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}

function leafTexts(value: Json): string[] {
  if (value === null || value === '') return []
  if (typeof value === 'object') return Object.values(value).flatMap(leafTexts)
  return [String(value)]
}
