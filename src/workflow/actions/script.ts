/** `run:` steps: runs a script in a shell. */
import { randomUUID } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { placeScript, planShell } from '../step/shell.ts'
import { runStepProcess, searchPathOf, StepFailure, type StepBody } from '../step/step-body.ts'
import { evaluateText } from '../file/template.ts'
import type { RunStep } from '../file/workflow-file.ts'

/** Errors: StepFailure when the script fails; EvaluationError. */
export async function runScript(body: StepBody, step: RunStep): Promise<void> {
  const { job, scope, expressions, log } = body
  const { workspace, temporary } = job.directories
  const text = await evaluateText(step.script, expressions)
  // `defaults` apply to the job's own steps, not to those of a composite action.
  const defaults = scope.depth === 0 ? job.defaults : undefined
  const shell =
    step.shell === undefined ? defaults?.shell : await evaluateText(step.shell, expressions)
  const directory =
    step.workingDirectory === undefined
      ? defaults?.workingDirectory
      : await evaluateText(step.workingDirectory, expressions)
  const at = resolve(workspace, directory ?? '')
  // Checked here because spawning would fail with ENOENT, which reads as if the shell were missing.
  const stats = await stat(at).catch(() => undefined)
  if (stats?.isDirectory() !== true)
    throw new StepFailure(`The working directory '${at}' does not exist or is not a directory`)
  // As on a runner, a PATH that the workflow sets is for the script only.
  const plan = await planShell(shell, text, searchPathOf(job, job.engine.environment['PATH']))
  const path = join(temporary, `${randomUUID()}${plan.extension}`)
  await writeFile(path, plan.script)
  const args = placeScript(plan.args, path)
  // A step of a composite action already has a group of its name.
  if (scope.depth === 0) log.startGroup(body.name)
  log.say(text.trimEnd(), 'command')
  log.say(`shell: ${[plan.command, ...plan.args].join(' ')}`, 'command')
  log.endGroup()
  const { exitCode, signal } = await runStepProcess(body, {
    command: plan.program,
    args,
    directory: at,
    variables: {},
  })
  if (signal !== null) throw new StepFailure(`Process was terminated by ${signal}.`)
  if (exitCode !== 0) throw new StepFailure(`Process completed with exit code ${exitCode}.`)
}
