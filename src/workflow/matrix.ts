/** Matrices: the combinations that a `strategy.matrix` stands for, by GitHub's rules of include and exclude. */
import { bounds } from './bounds.ts'
import { equals, isObject, type Json } from './expression.ts'

export type Combination = { [key: string]: Json }

/** One combination, and what the name of its job has behind it. */
export interface MatrixEntry {
  values: Combination
  /** ` (ubuntu, 20)`, or '' when there is nothing to tell. */
  suffix: string
}

/** Expands an evaluated matrix, in the order of its keys and values. Throws an Error with the reason when it is not of
 *  the right form. An empty list means that nothing is left to run. */
export function expandMatrix(matrix: Json): MatrixEntry[] {
  if (!isObject(matrix)) throw new Error('a matrix is a mapping of names to lists')
  const { include, exclude, ...axes } = matrix
  let combinations: Combination[] = Object.keys(axes).length === 0 ? [] : [{}]
  for (const [name, values] of Object.entries(axes)) {
    if (!Array.isArray(values)) throw new Error(`matrix.${name} is not a list`)
    if (values.length === 0) throw new Error(`matrix.${name} has no values`)
    const count = combinations.length * values.length
    if (count > bounds.matrixProductMax) {
      const most = `at most ${bounds.matrixProductMax} are looked at before some are excluded`
      throw new Error(`the matrix multiplies to ${count} combinations or more, ${most}`)
    }
    combinations = combinations.flatMap((combination) =>
      values.map((value) => ({ ...combination, [name]: value })),
    )
  }
  for (const excluded of readList(exclude, 'exclude')) {
    for (const name of Object.keys(excluded)) {
      if (!Object.hasOwn(axes, name))
        throw new Error(`matrix.exclude names ${name}, which the matrix has not`)
    }
    combinations = combinations.filter((combination) => !agrees(combination, excluded))
  }
  return addIncludes(combinations, readList(include, 'include'), Object.keys(axes))
}

/** Each entry extends every combination whose original values it does not contradict; one that extends none becomes a
 *  combination of its own, which later entries do not extend. Names tell of what a combination began with. */
function addIncludes(
  combinations: Combination[],
  includes: Combination[],
  axes: string[],
): MatrixEntry[] {
  const extended = combinations.map((combination) => ({ ...combination }))
  const added: Combination[] = []
  for (const entry of includes) {
    const pairs = Object.entries(entry)
    const wanted = Object.fromEntries(pairs.filter(([name]) => axes.includes(name)))
    const more = Object.fromEntries(pairs.filter(([name]) => !axes.includes(name)))
    const targets = extended.filter((_, index) => agrees(combinations[index] ?? {}, wanted))
    if (targets.length === 0) added.push({ ...entry })
    for (const target of targets) Object.assign(target, more)
  }
  return [
    ...extended.map((values, index) => ({ values, suffix: suffixOf(combinations[index] ?? {}) })),
    ...added.map((values) => ({ values, suffix: suffixOf(values) })),
  ]
}

/** An entry need name only some of the axes, and of lists and objects only a part. What it names is compared as `==` does,
 *  so that `18` is `'18'`. */
function agrees(value: Json, wanted: Json): boolean {
  if (wanted === null || typeof wanted !== 'object') return equals(value, wanted)
  const parts = new Map<string, Json>(value === null ? [] : Object.entries(value))
  return Object.entries(wanted).every(([key, item]) => agrees(parts.get(key) ?? null, item))
}

function readList(value: Json | undefined, name: string): Combination[] {
  if (value === undefined || value === null || value === '') return []
  if (!Array.isArray(value) || !value.every(isObject))
    throw new Error(`matrix.${name} is a list of mappings`)
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
