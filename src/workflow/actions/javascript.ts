/** Runs published JavaScript actions unmodified: their pre, main and post scripts in the Node.js of
 *  this program, with inputs, saved state and the artifact service in the environment. */
import { join } from 'node:path'
import type { ActionFile, ActionRuns } from '../file/action-file.ts'
import type { ActionUse } from '../engine.ts'
import { githubOfAction, type RepositoryPlace } from '../expression/contexts.ts'
import { runStepProcess, StepFailure, type StepBody } from '../step/step-body.ts'
import type { UsesStep } from '../file/workflow-file.ts'
import { inputVariables, readActionInputs } from './inputs.ts'

/** One use of a JavaScript action in a step. */
export interface JavaScriptUse {
  step: UsesStep
  action: ActionFile
  runs: Extract<ActionRuns, { kind: 'javascript' }>
  inputs: Record<string, string>
  /** Undefined for an action in the workspace, which does not exist before checkout. */
  home: RepositoryPlace | undefined
}

/** Runs main. Runs pre right before it, unless pre ran when the job started or, as on a runner, the
 *  action is in the workspace. Errors: StepFailure. */
export async function runJavaScript(body: StepBody, use: JavaScriptUse): Promise<void> {
  const { runs } = use
  const record = recordOf(body, use)
  if (runs.pre !== undefined && !record.preDone) {
    const message = `\`pre\` execution is not supported for local action from '${use.step.uses}'`
    if (use.home === undefined) body.log.annotate({ level: 'warning', message })
    else await runPre(body, use)
  }
  addPost(body, use, record)
  await runActionScript(body, use, runs.main, record.state)
}

/** Runs the pre script. Errors: StepFailure. */
export async function runPre(body: StepBody, use: JavaScriptUse): Promise<void> {
  const record = recordOf(body, use)
  record.preDone = true
  addPost(body, use, record)
  if (use.runs.pre !== undefined) await runActionScript(body, use, use.runs.pre.path, record.state)
}

function recordOf(body: StepBody, use: JavaScriptUse): ActionUse {
  const known = body.job.uses.get(use.step)
  if (known !== undefined) return known
  const record: ActionUse = { state: {}, preDone: false, postAdded: false }
  body.job.uses.set(use.step, record)
  return record
}

/** Registers the post script once per use, even if an earlier script fails. As on a runner, its
 *  inputs are evaluated again: actions that want those of main save them as state. */
function addPost(body: StepBody, use: JavaScriptUse, record: ActionUse): void {
  const { post } = use.runs
  if (post === undefined || record.postAdded) return
  record.postAdded = true
  body.addPost(post.condition, async (later) => {
    const inputs = await readActionInputs(later, use.step, use.action)
    await runActionScript(later, { ...use, inputs }, post.path, record.state)
  })
}

/** Adds the state that the script saves to `state`, also when it fails. */
async function runActionScript(
  body: StepBody,
  use: JavaScriptUse,
  script: string,
  state: Record<string, string>,
): Promise<void> {
  const { job } = body
  const scope = { ...body.scope, github: { ...body.scope.github, ...githubOfAction(use.home) } }
  const result = await runStepProcess(
    { ...body, scope },
    {
      command: process.execPath,
      args: [join(use.action.directory, script)],
      directory: job.directories.workspace,
      variables: {
        ...inputVariables(use.inputs),
        ...Object.fromEntries(
          Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]),
        ),
        ...endpointVariables(body),
      },
    },
  )
  Object.assign(state, result.state)
  if (result.signal !== null)
    throw new StepFailure(`${use.step.uses} was terminated by ${result.signal}.`)
  // The toolkit's setFailed has already printed the reason and set the exit code.
  if (result.exitCode !== 0)
    throw new StepFailure(`${use.step.uses} failed with exit code ${result.exitCode}.`)
}

/** As with GitHub's runner, actions get these variables and `run:` scripts do not. */
function endpointVariables(body: StepBody): Record<string, string> {
  const { engine, runtimeToken } = body.job
  if (engine.endpoint === undefined) return {}
  const url = `${engine.endpoint.url}/`
  return { ACTIONS_RUNTIME_URL: url, ACTIONS_RESULTS_URL: url, ACTIONS_RUNTIME_TOKEN: runtimeToken }
}
