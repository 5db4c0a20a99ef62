/** Projects and runs: who produced an artifact. */
import { storeError } from './errors.ts'
import { limits } from './limits.ts'

declare const projectBrand: unique symbol
/** `owner/repo`, or `group/subgroup/repo` with any number of groups, as in GitLab. Names are flat:
 *  a project inherits nothing from the groups above it. Compared ignoring ASCII case, as GitHub and
 *  GitLab do. Made by `parseProjectName`. */
export type ProjectName = string & { readonly [projectBrand]: true }

/** A run of a project. `number` is the value of GITHUB_RUN_ID; `attempt` counts re-runs from 1. */
export interface RunIdentity {
  project: ProjectName
  number: number
  attempt: number
}

/** Other facts about a run, from token claims or flags. */
export interface RunFacts {
  branch: string | null
  sha: string | null
  workflow: string | null
  event: string | null
}

/** Events whose runs build unmerged code, possibly from a fork, which can give its branch any name.
 *  Names from GitHub's "Events that trigger workflows" and GitLab's CI_PIPELINE_SOURCE. The
 *  workflow of `pull_request_target` is the project's own, but its branch is named by the fork as
 *  well, and what it produces is mostly built from the unmerged code. */
const pullRequestEvents: readonly string[] = [
  'pull_request',
  'pull_request_target',
  'pull_request_review',
  'pull_request_review_comment',
  'merge_request_event',
  'external_pull_request_event',
]

/** Whether the run built unmerged code, which makes its artifacts untrusted. */
export function isOfPullRequest({ event }: Pick<RunFacts, 'event'>): boolean {
  return event !== null && pullRequestEvents.includes(event)
}

export function isSameProject(a: ProjectName, b: ProjectName): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase()
}

/** Errors: invalid_name. */
export function parseProjectName(text: string): ProjectName {
  const reason = projectFault(text)
  if (reason === undefined) return text as ProjectName
  throw refusedProject(text, reason)
}

function projectFault(text: string): string | undefined {
  const { projectCharactersMax, projectSegmentsMax } = limits
  if (text.length > projectCharactersMax)
    return `it has more than ${projectCharactersMax} characters`
  const segments = text.split('/')
  if (segments.length > projectSegmentsMax) return `it has more than ${projectSegmentsMax} segments`
  const meant = text.replaceAll(addressSlash, '/')
  if (meant !== text && projectFault(meant) === undefined)
    return `"~" stands for "/" only in URLs: write ${meant}`
  const isPlain = (segment: string): boolean =>
    /^[A-Za-z0-9_.-]+$/.test(segment) && segment !== '.' && segment !== '..'
  if (segments.length >= 2 && segments.every(isPlain)) return undefined
  return 'a project is OWNER/REPO or GROUP/SUBGROUP/REPO, each made of letters, digits, "_", "." and "-"'
}

function refusedProject(text: string, reason: string): Error {
  const message = `project ${JSON.stringify(text)} is refused: ${reason}`
  return storeError('invalid_name', message, { name: text, reason })
}

/** Replaces the slashes of an owner in URL paths, where each project takes two segments so that
 *  routes can tell it from what follows. No name contains `~`, URLs leave it unescaped (RFC 3986
 *  §2.3), and shells do not expand it within a word. */
const addressSlash = '~'

/** Formats `acme/platform/api` for URL paths: `acme~platform/api`. Names of two segments are
 *  unchanged. */
export function formatProjectPath(project: string): string {
  return project.replaceAll(/\/(?=.*\/)/g, addressSlash)
}

/** Parses a project from two percent-decoded path segments. Accepts only what `formatProjectPath`
 *  writes, so that a project has one address.
 *  Errors: invalid_name. */
export function parseProjectPath(owner: string, repo: string): ProjectName {
  const segments = `${owner}/${repo}`
  if (owner.includes('/') || repo.includes('/')) {
    const reason = `URLs write "~" for the slashes of an owner: ${formatProjectPath(segments)}`
    throw refusedProject(segments, reason)
  }
  return parseProjectName(`${owner.replaceAll(addressSlash, '/')}/${repo}`)
}

/** Parses a positive integer below 2^53, such as a run id or an attempt.
 *  Errors: invalid_request. */
export function parsePositiveInteger(text: string, field: string): number {
  const value = Number(text)
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw storeError(
      'invalid_request',
      `${field} must be a positive whole number, got ${JSON.stringify(text)}`,
      {
        field,
      },
    )
  }
  return value
}
