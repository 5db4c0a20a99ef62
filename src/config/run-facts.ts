/** What a CI job's environment tells about its run: variables of GitHub, Gitea, Forgejo and
 *  GitLab, and the file with GitHub's event. */
import { readFileSync, statSync } from 'node:fs'
import {
  branchOfTag,
  factsOf,
  isOfPullRequest,
  isTagRef,
  pullRequestOfRef,
  type RunFacts,
} from '../core/run/run.ts'
import type { Settings } from './settings.ts'

export interface FactFlags {
  branch?: string | undefined
  sha?: string | undefined
  workflow?: string | undefined
  event?: string | undefined
  ordinal?: string | undefined
  'pull-request'?: string | undefined
  'head-sha'?: string | undefined
  actor?: string | undefined
}

/** GitHub sends no larger payloads ("Webhook events and payloads"). */
const eventBytesMax = 25 * 1024 * 1024

/** Flags take precedence over the environment. */
export function readRunFacts(flags: FactFlags, source: Settings): RunFacts {
  const first = (flag: string | undefined, ...names: string[]): string | undefined =>
    source.first(flag, names)
  const number = (name: 'ordinal' | 'pull-request', ...names: string[]): number | null =>
    source.positiveInteger(`--${name}`, flags[name] || undefined, names)
  const event = first(flags.event, 'GITHUB_EVENT_NAME', 'CI_PIPELINE_SOURCE')
  const { number: ofEvent, headSha } = readPullRequest(event, source.text('GITHUB_EVENT_PATH'))
  return factsOf({
    // A pull request's GITHUB_REF_NAME is `17/merge`; its branch is the head.
    branch:
      first(flags.branch, 'GITHUB_HEAD_REF') ??
      branchOfTagged(source) ??
      first(undefined, 'GITHUB_REF_NAME', 'CI_COMMIT_REF_NAME'),
    sha: first(flags.sha, 'GITHUB_SHA', 'CI_COMMIT_SHA'),
    workflow: first(flags.workflow, 'GITHUB_WORKFLOW'),
    event,
    ordinal: number('ordinal', 'GITHUB_RUN_NUMBER', 'CI_PIPELINE_IID'),
    pullRequest:
      number('pull-request', 'CI_MERGE_REQUEST_IID') ??
      pullRequestOfRef(source.text('GITHUB_REF')) ??
      ofEvent,
    headSha: first(flags['head-sha'], 'CI_MERGE_REQUEST_SOURCE_BRANCH_SHA') ?? headSha,
    actor: first(flags.actor, 'GITHUB_ACTOR', 'GITLAB_USER_LOGIN'),
  })
}

/** The variables that name a ref do not tell tags from branches. */
function branchOfTagged(source: Settings): string | undefined {
  const tag = source.text('CI_COMMIT_TAG')
  if (tag !== undefined) return branchOfTag(tag)
  const ref = source.text('GITHUB_REF')
  return ref !== undefined && isTagRef(ref) ? ref : undefined
}

interface PullRequest {
  number: number | null
  headSha: string | null
}

/** No variable has the head of a pull request, nor for `pull_request_target` its number. The file
 *  is not part of a job's contract as its variables are: it may be missing in a container. */
function readPullRequest(event: string | undefined, path: string | undefined): PullRequest {
  const unknown = { number: null, headSha: null }
  if (path === undefined || !isOfPullRequest({ event: event ?? null })) return unknown
  try {
    const stats = statSync(path)
    if (!stats.isFile() || stats.size > eventBytesMax) return unknown
    const { pull_request: found } = JSON.parse(readFileSync(path, 'utf8')) as {
      pull_request?: { number?: unknown; head?: { sha?: unknown } }
    }
    const { number, head } = found ?? {}
    return {
      number: Number.isSafeInteger(number) && (number as number) > 0 ? (number as number) : null,
      headSha: typeof head?.sha === 'string' ? head.sha : null,
    }
  } catch {
    return unknown
  }
}
