/** Runs `uses:` steps: resolves the action and executes it. */
import { join } from 'node:path'
import { findAction, type ActionFile } from '../file/action-file.ts'
import type { RepositoryPlace } from '../expression/contexts.ts'
import type { JobState } from '../engine.ts'
import { formatProblem } from '../file/problem.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import { resolveUses, type BuiltInName } from '../file/uses.ts'
import type { Condition } from '../file/template.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { runCheckout } from './checkout.ts'
import { runComposite } from './composite.ts'
import { runDownload } from './download-artifact.ts'
import { readActionInputs } from './inputs.ts'
import { runJavaScript, runPre } from './javascript.ts'
import { runMerge } from './merge-artifacts.ts'
import { runUpload } from './upload-artifact.ts'

const builtIns: Record<BuiltInName, (body: StepBody, step: UsesStep) => Promise<void>> = {
  'actions/checkout': runCheckout,
  'actions/upload-artifact': runUpload,
  'actions/upload-artifact/merge': runMerge,
  'actions/download-artifact': runDownload,
}

/** Errors: StepFailure, EvaluationError, and any error of the action's own work. */
export async function runAction(body: StepBody, step: UsesStep): Promise<void> {
  const resolved = resolveUses(step.uses, body.job.engine.actions, body.scope.home)
  switch (resolved.kind) {
    case 'built-in':
      await builtIns[resolved.name](body, step)
      return
    case 'directory':
      await runDirectory(body, step, resolved.directory, resolved.home)
      return
    case 'workspace':
      await runDirectory(body, step, join(body.job.directories.workspace, resolved.path), undefined)
      return
    case 'unsupported':
      throw new StepFailure(
        `Cannot run '${step.uses}': ${[resolved.reason, resolved.advice].filter(Boolean).join('; ')}`,
      )
  }
}

/** Returns the `pre` script of a JavaScript action, which runs when the job starts. Undefined when
 *  the action has none, or does not exist before checkout. */
export async function findPre(
  job: JobState,
  step: UsesStep,
): Promise<{ condition: Condition; work: (body: StepBody) => Promise<void> } | undefined> {
  const resolved = resolveUses(step.uses, job.engine.actions, job.engine.workflowPlace)
  if (resolved.kind !== 'directory') return undefined
  const action = await readAction(step, resolved.directory)
  const { runs } = action
  if (runs.kind !== 'javascript' || runs.pre === undefined) return undefined
  return {
    condition: runs.pre.condition,
    work: async (body) => {
      const inputs = await readActionInputs(body, step, action)
      await runPre(body, { step, action, runs, inputs, home: resolved.home })
    },
  }
}

/** `home` is undefined for an action in the workspace. */
async function runDirectory(
  body: StepBody,
  step: UsesStep,
  directory: string,
  home: RepositoryPlace | undefined,
): Promise<void> {
  const action = await readAction(step, directory)
  const { runs } = action
  const inputs = await readActionInputs(body, step, action)
  switch (runs.kind) {
    case 'javascript':
      await runJavaScript(body, { step, action, runs, inputs, home })
      return
    case 'composite':
      await runComposite(body, action, runs.steps, { inputs, home })
      return
    case 'unsupported':
      throw new StepFailure(`${action.file} uses '${runs.using}', which trove run does not support`)
  }
}

/** Errors: StepFailure when the action file is missing or invalid. */
async function readAction(step: UsesStep, directory: string): Promise<ActionFile> {
  const parsed = await findAction(directory)
  if (parsed === undefined) {
    const hint = step.uses.startsWith('.')
      ? ' Did you forget to run actions/checkout before a local action?'
      : ''
    throw new StepFailure(`Can't find 'action.yml' or 'action.yaml' under '${directory}'.${hint}`)
  }
  if ('problems' in parsed) throw new StepFailure(parsed.problems.map(formatProblem).join('\n'))
  return parsed.action
}
