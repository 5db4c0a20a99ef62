/** An environment to run one workflow in: its own repository and store, and the recorded events. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Conclusion } from '../../src/core/run/run-record.ts'
import type { RunEvent } from '../../src/workflow/events.ts'
import { WorkflowError } from '../../src/workflow/file/problem.ts'
import { runWorkflow, type RunOptions, type RunResult } from '../../src/workflow/run.ts'
import { makeDirectory } from '../client/tree.ts'
import { createDiskArtifacts, type DiskArtifacts } from './disk-artifacts.ts'

export interface Playground {
  root: string
  repository: string
  work: string
  artifacts: DiskArtifacts
  events: RunEvent[]
  /** Writes a file of the repository and returns its path. */
  write: (path: string, text: string) => Promise<string>
  /** Writes the workflow and runs it. */
  run: (workflow: string, options?: Partial<RunOptions>) => Promise<Finished>
}

interface Finished extends RunResult {
  /** Conclusions by job name. */
  conclusions: Record<string, Conclusion>
  /** Text of all log lines of a job, by job name. */
  log: (job: string) => string
  /** Conclusions of a job's steps, by step name. */
  steps: (job: string) => Record<string, Conclusion>
  outputs: (job: string) => Record<string, string>
}

export async function createPlayground(): Promise<Playground> {
  const root = await makeDirectory()
  const repository = join(root, 'repository')
  const work = join(root, 'work')
  const artifacts = createDiskArtifacts(join(root, 'artifacts'))
  const events: RunEvent[] = []
  await mkdir(repository)
  const write = async (path: string, text: string): Promise<string> => {
    const full = join(repository, path)
    await mkdir(dirname(full), { recursive: true })
    await writeFile(full, text)
    return full
  }
  return {
    root,
    repository,
    work,
    artifacts,
    events,
    write,
    run: async (workflow, options = {}) => {
      events.length = 0
      const workflowFile = await write('.github/workflows/ci.yml', workflow)
      const result = await runWorkflow({
        workflowFile,
        repositoryDirectory: repository,
        workDirectory: work,
        facts: facts(),
        environment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: join(root, 'home') },
        openArtifacts: () => Promise.resolve(artifacts.store),
        sinks: [(event) => events.push(event)],
        grace: { interruptMs: 200, terminateMs: 200 },
        ...options,
      })
      return finish(result, events)
    },
  }
}

export function facts(): RunOptions['facts'] {
  return {
    repository: 'octo/demo',
    runId: 77,
    runNumber: 7,
    runAttempt: 1,
    ref: 'refs/heads/main',
    sha: '0123456789012345678901234567890123456789',
    actor: 'octocat',
    payload: {},
    workflowPath: '.github/workflows/ci.yml',
    serverUrl: 'https://github.com',
    apiUrl: 'http://127.0.0.1:1/api/v3',
    retentionDays: 90,
  }
}

function finish(result: RunResult, events: RunEvent[]): Finished {
  const jobOf = (name: string): RunResult['jobs'][number] => {
    const job = result.jobs.find(({ reference }) => reference.name === name)
    if (job === undefined)
      throw new Error(
        `no job ${name} in ${result.jobs.map(({ reference }) => reference.name).join()}`,
      )
    return job
  }
  return {
    ...result,
    conclusions: Object.fromEntries(
      result.jobs.map(({ reference, conclusion }) => [reference.name, conclusion]),
    ),
    log: (name) =>
      events
        .flatMap((event) => (event.type === 'line' && event.job.name === name ? [event.text] : []))
        .join('\n'),
    steps: (name) =>
      Object.fromEntries(
        events.flatMap((event) =>
          event.type === 'step-finished' && event.job.name === name
            ? [[event.step.name, event.conclusion]]
            : [],
        ),
      ),
    outputs: (name) => jobOf(name).outputs,
  }
}

/** Returns a workflow with one job `job` and these steps, given as YAML list items without
 *  indentation. */
export function oneJob(steps: string, jobKeys = ''): string {
  const indent = (text: string, by: string): string =>
    text
      .split('\n')
      .map((line) => by + line)
      .join('\n')
  return `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n${jobKeys === '' ? '' : `${indent(jobKeys, '    ')}\n`}    steps:\n${indent(steps.trim(), '      ')}\n`
}

/** Returns the problems of `workflow` as `file:line: message`. */
export async function problemsOf(
  place: Playground,
  workflow: string,
  options?: Partial<RunOptions>,
): Promise<string[]> {
  const failure = await place.run(workflow, options).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw new Error('the workflow was not rejected')
  return failure.problems.map(({ file, line, message }) => {
    const name = file.slice(file.lastIndexOf('/') + 1)
    return `${name}:${line}: ${message.replaceAll(place.repository, '')}`
  })
}
