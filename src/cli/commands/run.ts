/** `trove run`: runs a workflow on this machine, with Trove as its artifact service. */
import { tmpdir } from 'node:os'
import { relative, resolve } from 'node:path'
import { runPagePath } from '../../api/paths.ts'
import type { ClientConfig } from '../../config/client-config.ts'
import { inheritedEnvironment } from '../../config/config.ts'
import {
  branchOfRef,
  factsOf,
  isOfPullRequest,
  knownFacts,
  type RunFacts,
} from '../../core/run/run.ts'
import type { RunSink } from '../../workflow/events.ts'
import { createNativeArtifacts } from '../../workflow/native-artifacts.ts'
import { WorkflowError } from '../../workflow/file/problem.ts'
import {
  prepareWorkflow,
  runWorkflow,
  type RunOptions,
  type RunResult,
} from '../../workflow/run.ts'
import { createTerminalSink } from '../../workflow/terminal.ts'
import { type FlagValues, integer, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { exitStatus, type ExitStatus } from '../exit-status.ts'
import { createRoom, flush, formatJson, write, writeJson } from '../output/output.ts'
import { makeRunDirectory, removeAbandoned } from '../run/run-directory.ts'
import { serverContext } from '../server-access.ts'
import { formatIgnored, formatPlan, planMessage } from '../run/workflow-plan.ts'
import { readPayload } from '../run/workflow-payload.ts'
import { openRecord, type RunClaims } from '../run/workflow-record.ts'
import { noCommit, readRepository } from '../run/workflow-repository.ts'
import { readSecrets } from '../run/workflow-secrets.ts'
import { mintAcrossRestarts, openRunServer, type RunServer } from '../run/workflow-server.ts'

const flags = {
  ...serverFlags,
  url: {
    value: 'URL',
    help: 'server to use (default: the one on --data; with TROVE_TOKEN and no --data, that of TROVE_URL or ACTIONS_RESULTS_URL)',
  },
  data: {
    value: 'DIR',
    help: 'data directory (TROVE_DATA) of the server to use, which is started for the run unless it runs',
  },
  job: { value: 'ID', repeats: true, help: 'run only this job and the jobs it needs' },
  event: {
    value: 'E',
    help: 'event to simulate (default: push, or the first one of the workflow)',
  },
  payload: {
    value: 'FILE',
    help: 'JSON file of what `github.event` has, as the webhook of the event sends it',
  },
  input: {
    value: 'NAME=VALUE',
    repeats: true,
    help: 'input of workflow_dispatch or workflow_call',
  },
  var: { value: 'NAME=VALUE', repeats: true, help: 'variable of the `vars` context' },
  secret: {
    value: 'NAME',
    repeats: true,
    help: 'secret whose value is taken from the environment',
  },
  'secrets-file': {
    value: 'FILE',
    help: 'file of secrets: lines NAME=VALUE, or blocks as in $GITHUB_ENV',
  },
  action: {
    value: 'OWNER/REPO@REF=DIR',
    repeats: true,
    help: 'directory of an action, or of a repository whose workflows are called; for any version without @REF; overrides built-in actions',
  },
  'skip-unknown': {
    value: null,
    help: 'skip what cannot run here instead of rejecting the workflow',
  },
  parallel: {
    value: 'N',
    read: integer(1, 256),
    help: 'number of concurrent jobs (default: one per processor)',
  },
  run: { value: 'ID', help: 'run id (TROVE_RUN, GITHUB_RUN_ID; default: a new one)' },
  attempt: { value: 'N', help: 'attempt of the run (GITHUB_RUN_ATTEMPT; default 1)' },
  keep: { value: null, help: "keep the jobs' directories, and print where they are" },
  debug: { value: null, help: 'show debug lines, as with ACTIONS_STEP_DEBUG' },
  'dry-run': {
    value: null,
    short: 'n',
    help: 'check the workflow and show its jobs and steps, without running it',
  },
  json: {
    value: null,
    help: 'print events as one JSON object per line instead of the log; with --dry-run, the jobs',
  },
} as const

type RunFlags = FlagValues<typeof flags>

/** The options of a run whose work directory has not been created yet. */
type PlannedRun = Omit<RunOptions, 'workDirectory'>

export const runCommand: Command<typeof flags> = {
  operands: 'WORKFLOW.yml',
  summary:
    'Run a workflow on this machine. Artifacts and the record of the run go to a server, which is started if need be.',
  flags,
  examples: [
    'trove run .github/workflows/ci.yml',
    'trove run ci.yml --job test --event workflow_dispatch --input level=high',
    'trove run ci.yml --skip-unknown --secret NPM_TOKEN',
    'trove run ci.yml --action actions/upload-artifact@v7=../upload-artifact',
  ],
  exitStatuses: [5, 6, 10],
  alsoMeans: { 1: 'a job failed' },
  async run(invocation) {
    const [workflowFile] = takeOperands(invocation.operands, ['WORKFLOW.yml'])
    try {
      return await runOrShow(invocation, workflowFile)
    } catch (error) {
      if (!(error instanceof WorkflowError)) throw error
      await write(invocation.stderr, `${error.message}\n`)
      return exitStatus.usage
    }
  },
}

async function runOrShow(
  invocation: Invocation<typeof flags>,
  workflowFile: string,
): Promise<ExitStatus> {
  const { flags: given, stdout, stderr, signal } = invocation
  // A login alone must not send the record of a run to a server.
  const { url, project, run, attempt } = given
  const {
    config,
    server: access,
    progress,
  } = serverContext({ url, project, run, attempt }, { stderr, logins: url !== undefined })
  const asked = await optionsOf(given, config, workflowFile)
  const prepared = await prepareWorkflow(asked)
  const { workflow, jobs, event } = prepared
  const options = { ...asked, facts: { ...asked.facts, event } }
  await write(stderr, formatIgnored(prepared))
  if (given['dry-run']) {
    await (given.json ? writeJson(stdout, jobs.map(planMessage)) : write(stdout, formatPlan(jobs)))
    return exitStatus.ok
  }
  const isGiven = given.url !== undefined || (given.data === undefined && config.token !== null)
  const server = await openRunServer({ access, isGiven, data: given.data })
  try {
    const { repository, runId } = options.facts
    const page = `${server.url}${runPagePath(repository, runId)}`
    await write(stderr, `run ${runId} of ${repository}: ${page}\n`)
    const claims = claimsOf(options, workflow.name, config.facts)
    const recorder = await openRecord(server, claims, (text) => void stderr.write(text))
    const sinks = [sinkOf(given, config, stdout), recorder.sink]
    await removeAbandoned(tmpdir())
    const workDirectory = await makeRunDirectory(tmpdir(), { runId, keep: given.keep })
    if (given.keep) await write(stderr, `job directories: ${workDirectory}\n`)
    const mint = mintAcrossRestarts(server, { signal, onRetry: progress.retrying })
    const bound = {
      workDirectory,
      ...withServer(options, { ...server, mint }, claims),
      sinks,
      room: createRoom(stdout),
      signal,
    }
    let result: RunResult
    try {
      result = await runWorkflow(bound)
    } finally {
      await recorder.finish(signal)
    }
    await flush(stdout)
    return statusOf(result, signal)
  } finally {
    await server.close()
  }
}

/** Errors: UsageError. */
async function optionsOf(
  given: RunFlags,
  config: ClientConfig,
  workflowFile: string,
): Promise<PlannedRun> {
  const repository = await readRepository(workflowFile, config.facts.branch)
  const project = config.project ?? repository.project
  const environment = inheritedEnvironment()
  const runId = config.run ?? Date.now()
  const { parallel } = given
  return {
    workflowFile,
    repositoryDirectory: repository.directory,
    keepWorkDirectory: given.keep,
    facts: {
      repository: project,
      runId,
      runNumber: 1,
      runAttempt: config.attempt ?? 1,
      ref: repository.ref,
      sha: repository.sha,
      actor: repository.actor,
      payload: await readPayload(given.payload, project, repository),
      workflowPath: relative(repository.directory, resolve(workflowFile)),
      // The stock artifact actions accept no other host (GITHUB-PROTOCOL §3).
      serverUrl: 'https://github.com',
      apiUrl: 'https://api.github.com',
      retentionDays: 0,
      ...(given.event !== undefined && { event: given.event }),
    },
    environment,
    secrets: await readSecrets({ file: given['secrets-file'], names: given.secret }, environment),
    vars: Object.fromEntries(given.var.map((text) => readPair('--var', text))),
    inputs: Object.fromEntries(given.input.map((text) => readPair('--input', text))),
    jobs: given.job,
    actions: new Map(given.action.map((text) => readAction(text))),
    skipUnknown: given['skip-unknown'],
    debug: given.debug,
    ...(parallel !== undefined && { jobsMax: parallel }),
  }
}

/** `known`: what the environment tells. A run in a CI job is that of the job: one of a pull request
 *  stays untrusted whatever event it simulates. */
function claimsOf({ facts }: PlannedRun, workflow: string, known: RunFacts): RunClaims {
  const { repository, runId, runAttempt, ref, sha } = facts
  const event = isOfPullRequest(known) ? known.event : facts.event
  const details = factsOf({
    ...known,
    branch: branchOfRef(ref),
    sha: sha === noCommit ? null : sha,
    workflow,
    event,
    actor: known.actor ?? facts.actor,
  })
  return { project: repository, run: runId, attempt: runAttempt, ...knownFacts(details) }
}

function withServer(options: PlannedRun, server: RunServer, claims: RunClaims): PlannedRun {
  const { project, run, attempt } = claims
  const tokens = new Map<string, Promise<string>>()
  const tokenOf = async (job: string): Promise<string> => {
    const known = tokens.get(job) ?? server.mint({ ...claims, job, scope: 'job' })
    tokens.set(job, known)
    return await known
  }
  return {
    ...options,
    facts: {
      ...options.facts,
      apiUrl: `${server.url}/api/v3`,
      retentionDays: server.retentionDaysMax,
    },
    service: { url: server.url, runtimeToken: async ({ key }) => await tokenOf(key) },
    openArtifacts: async ({ key }) =>
      createNativeArtifacts({
        url: server.url,
        proxy: server.proxy,
        token: await tokenOf(key),
        project,
        run,
        attempt,
      }),
  }
}

function sinkOf(given: RunFlags, config: ClientConfig, stdout: NodeJS.WriteStream): RunSink {
  if (given.json) return (event) => void stdout.write(`${formatJson(event)}\n`)
  const color = stdout.isTTY && !config.noColor
  return createTerminalSink({ write: (text) => void stdout.write(text), color })
}

/** A job that still runs after an interruption, and fails, does not hide the interruption. */
function statusOf({ conclusion }: RunResult, { aborted }: AbortSignal): ExitStatus {
  if (conclusion === 'cancelled') return exitStatus.interrupted
  if (conclusion === 'failure') return aborted ? exitStatus.interrupted : exitStatus.failure
  return exitStatus.ok
}

function readPair(flag: string, text: string, form = 'NAME=VALUE'): [name: string, value: string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`${flag} takes ${form}, got ${JSON.stringify(text)}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function readAction(text: string): [action: string, directory: string] {
  const [action, directory] = readPair('--action', text, flags.action.value)
  return [action, resolve(directory)]
}
