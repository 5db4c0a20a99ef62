/** Contexts: what expressions and environment variables expose of the run, the job and the
 *  machine. */
import { arch, platform } from 'node:os'
import { dirname } from 'node:path'
import { isObject, type Json } from './expression.ts'

/** The run as its caller describes it. Nothing in it is looked up. */
export interface WorkflowRun {
  /** `owner/repo`. */
  repository: string
  runId: number
  runNumber: number
  runAttempt: number
  /** Full name, `refs/heads/main` or `refs/tags/v1`. */
  ref: string
  sha: string
  actor: string
  event: string
  /** `github.event`. */
  payload: { [key: string]: Json }
  /** Path of the workflow file in its repository. */
  workflowPath: string
  /** Base URL of links. The stock artifact actions accept only github.com and *.ghe.com
   *  (GITHUB-PROTOCOL §3). */
  serverUrl: string
  apiUrl: string
  retentionDays: number
}

/** A repository at one of its commits. */
export interface RepositoryPlace {
  /** `owner/repo`. */
  repository: string
  ref: string
  /** Where its files are on this machine. Absolute. */
  directory: string
}

/** Where the file of a workflow is. */
export interface WorkflowPlace extends RepositoryPlace {
  path: string
  /** Empty when it is not known. */
  sha: string
}

/** Directories of one job, all absolute. */
export interface JobDirectories {
  /** Contains the others; removed after the job unless the caller keeps it. */
  root: string
  workspace: string
  temporary: string
  toolCache: string
  eventPath: string
}

/** Returns the part of the `github` context that depends only on the run. */
export function githubContext(facts: WorkflowRun, workflow: string): { [key: string]: Json } {
  const tag = facts.ref.startsWith('refs/tags/')
  const branches = pullRequestBranches(facts)
  return {
    actor: facts.actor,
    actor_id: '0',
    api_url: facts.apiUrl,
    base_ref: branches.base,
    event: facts.payload,
    event_name: facts.event,
    graphql_url: `${facts.apiUrl}/graphql`,
    head_ref: branches.head,
    ref: facts.ref,
    ref_name: facts.ref.replace(/^refs\/(?:heads|tags|pull)\//, ''),
    ref_protected: false,
    ref_type: tag ? 'tag' : 'branch',
    repository: facts.repository,
    repository_id: '0',
    repository_owner: dirname(facts.repository),
    repository_owner_id: '0',
    repositoryUrl: `${facts.serverUrl}/${facts.repository}.git`,
    retention_days: String(facts.retentionDays),
    run_attempt: String(facts.runAttempt),
    run_id: String(facts.runId),
    run_number: String(facts.runNumber),
    secret_source: 'Actions',
    server_url: facts.serverUrl,
    sha: facts.sha,
    triggering_actor: facts.actor,
    workflow,
    workflow_ref: `${facts.repository}/${facts.workflowPath}@${facts.ref}`,
    workflow_sha: facts.sha,
  }
}

/** Returns the target and source branch of a pull request; '' for other events, even if their
 *  payload has a pull request, and for what the payload lacks. */
function pullRequestBranches({ event, payload }: WorkflowRun): { base: string; head: string } {
  const isPullRequest = event === 'pull_request' || event === 'pull_request_target'
  const branch = (end: string): string => {
    const ref = ['pull_request', end, 'ref'].reduce<Json | undefined>(member, payload)
    return isPullRequest && typeof ref === 'string' ? ref : ''
  }
  return { base: branch('base'), head: branch('head') }
}

function member(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) ? value[key] : undefined
}

/** Returns what a job adds to the `github` context. */
export function githubOfJob(job: { id: string; directories: JobDirectories; token: string }): {
  [key: string]: Json
} {
  const { eventPath, workspace } = job.directories
  return { job: job.id, token: job.token, event_path: eventPath, workspace }
}

/** Returns what an action of that repository adds to the `github` context. */
export function githubOfAction(home: RepositoryPlace | undefined): { [key: string]: Json } {
  return home === undefined ? {} : { action_repository: home.repository, action_ref: home.ref }
}

/** Returns the `job` context; `place` is that of the workflow that defines the job. */
export function jobContext(status: string, place: WorkflowPlace): { [key: string]: Json } {
  const { repository, path, ref, sha } = place
  return {
    status,
    workflow_ref: `${repository}/${path}@${ref}`,
    workflow_sha: sha,
    workflow_repository: repository,
    workflow_file_path: path,
  }
}

/** Keys of the `github` context that a runner does not export as variables. */
const unexported = new Set(['action_status', 'event', 'repositoryUrl', 'secret_source', 'token'])

/** Returns the GITHUB_* variables of a context that includes the step's additions. */
export function githubVariables(github: { [key: string]: Json }): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [key, value] of Object.entries(github)) {
    if (unexported.has(key) || (typeof value === 'object' && value !== null)) continue
    variables[`GITHUB_${key.toUpperCase()}`] = String(value)
  }
  return variables
}

const systems: Record<string, string> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }
const architectures: Record<string, string> = {
  x64: 'X64',
  arm64: 'ARM64',
  ia32: 'X86',
  arm: 'ARM',
}

/** Returns the `runner` context; the RUNNER_* variables have the same values. */
export function runnerContext(directories: JobDirectories, debug: boolean): Record<string, string> {
  return {
    name: 'trove',
    os: systems[platform()] ?? platform(),
    arch: architectures[arch()] ?? arch().toUpperCase(),
    temp: directories.temporary,
    workspace: directories.root,
    tool_cache: directories.toolCache,
    environment: 'self-hosted',
    ...(debug ? { debug: '1' } : {}),
  }
}

export function runnerVariables(runner: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(runner).map(([key, value]) => [`RUNNER_${key.toUpperCase()}`, value]),
  )
}
