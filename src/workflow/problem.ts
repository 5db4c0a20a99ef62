/** Problems: what is wrong with a workflow, and where. They are answers while a file is read and planned; a run that
 *  cannot start throws them together. Not a `StoreError`: no server ever answers with them, only `trove run` does. */

/** A place in a file. Lines and columns count from 1. */
export interface Position {
  file: string
  line: number
  column: number
}

/** One fault, with the place the author has to look at. */
export interface Problem extends Position {
  message: string
}

export function problemAt(position: Position, message: string): Problem {
  return { file: position.file, line: position.line, column: position.column, message }
}

/** `file:line:column: message`, the form that editors and terminals turn into links. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`
}

/** A workflow that cannot be run as it stands. Thrown before anything has run; the message has a line for each. */
export class WorkflowError extends Error {
  override readonly name = 'WorkflowError'
  readonly problems: Problem[]
  constructor(problems: Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

/** A value that could not be evaluated while a job was running; fails its step and carries the place. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError'
  readonly problem: Problem
  constructor(problem: Problem, options?: ErrorOptions) {
    super(formatProblem(problem), options)
    this.problem = problem
  }
}
