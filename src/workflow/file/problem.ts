/** Problems: what is wrong with a workflow, and where. Reading and planning return them; a run that
 *  cannot start throws them together. They are not a `StoreError`, since only `trove run` reports
 *  them, never a server. */

/** A place in a file. Lines and columns start at 1. */
export interface Position {
  file: string
  line: number
  column: number
}

/** The place of what is wrong with a file as a whole. */
export function startOf(file: string): Position {
  return { file, line: 1, column: 1 }
}

/** One fault, and the place in the file to fix. */
export interface Problem extends Position {
  message: string
}

export function problemAt(position: Position, message: string): Problem {
  return { ...position, message }
}

/** Returns `file:line:column: message`, which editors and terminals turn into links. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`
}

/** A workflow that cannot be run as it is. Thrown before anything has run. The message has one line
 *  per problem. */
export class WorkflowError extends Error {
  override readonly name = 'WorkflowError'
  readonly problems: Problem[]
  constructor(problems: Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

/** A value that could not be evaluated while a job was running. Fails its step and carries the
 *  place. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError'
  readonly problem: Problem
  constructor(position: Position, message: string, options?: ErrorOptions) {
    const problem = problemAt(position, message)
    super(formatProblem(problem), options)
    this.problem = problem
  }
}

/** Returns why `evaluate` fails, nothing if it does not. */
export async function problemsIn(evaluate: () => Promise<unknown>): Promise<Problem[]> {
  try {
    await evaluate()
    return []
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error
    return [error.problem]
  }
}
