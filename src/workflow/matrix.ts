/** Matrices: the combinations that a `strategy.matrix` stands for, by GitHub's rules of include and exclude. */
import { isDeepStrictEqual } from 'node:util'
import { bounds } from './bounds.ts'
import type { Json } from './expression.ts'

export type Combination = { [key: string]: Json }

/** Expands an evaluated matrix, in the order of its keys and values. Throws an Error with the reason when it is not of
 *  the right form. An empty list means that nothing is left to run. */
export function expandMatrix(matrix: Json): Combination[] {
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
    combinations = combinations.filter((combination) => !agrees(combination, excluded))
  }
  return addIncludes(combinations, readList(include, 'include'), Object.keys(axes))
}

/** Each entry extends every combination whose original values it does not contradict; one that extends none becomes a
 *  combination of its own, which later entries do not extend. */
function addIncludes(
  combinations: Combination[],
  includes: Combination[],
  axes: string[],
): Combination[] {
  const extended = combinations.map((combination) => ({ ...combination }))
  const added: Combination[] = []
  for (const entry of includes) {
    const shared = axes.filter((axis) => axis in entry)
    const targets = extended.filter((_, index) =>
      shared.every((axis) => isDeepStrictEqual(combinations[index]?.[axis], entry[axis])),
    )
    if (targets.length === 0) added.push({ ...entry })
    for (const target of targets) Object.assign(target, entry)
  }
  return [...extended, ...added]
}

/** An exclude entry need name only some of the axes. A nested object is matched in part too. */
function agrees(value: Json, wanted: Json): boolean {
  if (isObject(value) && isObject(wanted)) {
    return Object.entries(wanted).every(([key, item]) => agrees(value[key] ?? null, item))
  }
  return isDeepStrictEqual(value, wanted)
}

function readList(value: Json | undefined, name: string): Combination[] {
  if (value === undefined || value === null || value === '') return []
  if (!Array.isArray(value) || !value.every(isObject))
    throw new Error(`matrix.${name} is a list of mappings`)
  return value
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** `build (ubuntu, 20)`: a job's name with the values of its combination, as GitHub shows it. */
export function matrixSuffix(combination: Combination): string {
  const texts = Object.values(combination).flatMap(leafTexts)
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}

function leafTexts(value: Json): string[] {
  if (value === null) return []
  if (Array.isArray(value)) return value.flatMap(leafTexts)
  if (typeof value === 'object') return Object.values(value).flatMap(leafTexts)
  return [String(value)]
}
