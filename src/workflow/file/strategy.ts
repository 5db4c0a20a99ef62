/** `strategy` of a job: its combinations and how they run. */
import { asError } from '../../core/errors.ts'
import { bounds } from '../bounds.ts'
import { isObject, type Scope } from '../expression/expression.ts'
import { expandMatrix, type MatrixEntry } from './matrix.ts'
import { EvaluationError } from './problem.ts'
import { evaluateTemplate, placeOf, type Template } from './template.ts'

interface Strategy {
  /** Null stands for the only instance of a job without a matrix. */
  combinations: (MatrixEntry | null)[]
  failFast: boolean
  instancesMax: number
}

/** Errors: EvaluationError. */
export async function readStrategy(
  template: Template | undefined,
  scope: Scope,
): Promise<Strategy> {
  if (template === undefined) return { combinations: [null], failFast: true, instancesMax: 1 }
  const value = await evaluateTemplate(template, scope)
  const strategy = isObject(value) ? value : {}
  try {
    const combinations =
      strategy['matrix'] === undefined ? [null] : expandMatrix(strategy['matrix'])
    if (combinations.length === 0) throw new Error('the matrix has no combinations')
    if (combinations.length > bounds.matrixJobsMax) {
      throw new Error(
        `the matrix has ${combinations.length} combinations, the limit is ${bounds.matrixJobsMax}`,
      )
    }
    const requested = Number(strategy['max-parallel'] ?? combinations.length)
    const instancesMax = requested >= 1 ? Math.floor(requested) : combinations.length
    return {
      combinations,
      failFast: strategy['fail-fast'] !== false && strategy['fail-fast'] !== 'false',
      instancesMax,
    }
  } catch (error) {
    throw new EvaluationError(placeOf(template), asError(error).message, { cause: error })
  }
}
