/** Composite actions: steps in their own scope. */
import type { ActionFile } from '../file/action-file.ts'
import { bounds } from '../bounds.ts'
import { githubOfAction, type RepositoryPlace } from '../expression/contexts.ts'
import type { StepScope } from '../engine.ts'
import { StepFailure, stepExpressions, type StepBody } from '../step/step-body.ts'
import { evaluateText } from '../file/template.ts'
import type { Step } from '../file/workflow-file.ts'

/** Runs all steps, also after a failure, then sets the outputs. Errors: StepFailure when a step
 *  failed or was cancelled. */
export async function runComposite(
  body: StepBody,
  action: ActionFile,
  steps: Step[],
  { inputs, home }: { inputs: Record<string, string>; home: RepositoryPlace | undefined },
): Promise<void> {
  const { job } = body
  const depth = body.scope.depth + 1
  if (depth > bounds.compositeDepthMax) {
    throw new StepFailure(
      `Composite actions are nested more than ${bounds.compositeDepthMax} levels deep`,
    )
  }
  const scope: StepScope = {
    steps: {},
    status: 'success',
    inputs,
    // Only what the enclosing steps add. Job variables are read afresh, since an inner step may
    // change them.
    env: Object.fromEntries(
      Object.entries(body.env).filter(([name, value]) => job.env[name] !== value),
    ),
    github: {
      ...githubOfAction(home),
      action_path: action.directory,
      // The id of the job's own step.
      action: body.scope.github['action'] ?? body.id,
    },
    // As in GitHub's runner, whatever repository the workspace holds.
    home: home ?? job.engine.workflowPlace,
    // A job that is already cancelled runs this action because its condition allows it.
    cancel: job.cancel.aborted ? body.stop : AbortSignal.any([body.stop, job.cancel]),
    halt: body.halt,
    depth,
  }
  for (const step of steps) {
    const { hasInvalidCondition } = await body.runNested(scope, step)
    body.log.endGroup()
    // As on a runner; the steps of a job go on.
    if (hasInvalidCondition) break
  }
  const env = { ...job.env, ...scope.env }
  const expressions = stepExpressions(job, scope, body.id, env, body.stop)
  for (const output of action.outputs) {
    if (output.value !== undefined)
      body.outputs[output.name] = await evaluateText(output.value, expressions)
  }
  if (scope.status !== 'success') throw new StepFailure('', scope.status)
}
