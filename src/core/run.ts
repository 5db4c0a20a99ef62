/** Projects and runs: who produced an artifact. */
import { storeError } from './errors.ts'
import { limits } from './limits.ts'

declare const projectBrand: unique symbol
/** `owner/repo`, or `group/subgroup/repo` with any number of groups, as GitLab has them; a name like any other, which has nothing
 *  of those above it. Compared without regard to ASCII case as both do. Made by `parseProjectName`. */
export type ProjectName = string & { readonly [projectBrand]: true }

/** A run of a project. `number` is what GITHUB_RUN_ID holds; `attempt` counts re-runs from 1. */
export interface RunIdentity {
  project: ProjectName
  number: number
  attempt: number
}

/** What is known of a run beside its identity; filled from token claims or flags. */
export interface RunFacts {
  branch: string | null
  sha: string | null
  workflow: string | null
  event: string | null
}

/** Events whose runs build code that nobody has merged, from a fork perhaps, which can give its branch any name. GitHub's
 *  "Events that trigger workflows"; GitLab's CI_PIPELINE_SOURCE. The workflow of `pull_request_target` is the project's own, but
 *  its branch has that name as well, and what it makes is mostly of the code that is to be merged. */
const pullRequestEvents: readonly string[] = [
  'pull_request',
  'pull_request_target',
  'pull_request_review',
  'pull_request_review_comment',
  'merge_request_event',
  'external_pull_request_event',
]

/** Whether what the run made comes from code that nobody has merged. */
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
    return `only addresses have "~" for "/": write ${meant}`
  const isPlain = (segment: string): boolean =>
    /^[A-Za-z0-9_.-]+$/.test(segment) && segment !== '.' && segment !== '..'
  if (segments.length >= 2 && segments.every(isPlain)) return undefined
  return 'a project is OWNER/REPO or GROUP/SUBGROUP/REPO, each of letters, digits, "_", "." and "-"'
}

function refusedProject(text: string, reason: string): Error {
  const message = `project ${JSON.stringify(text)} is refused: ${reason}`
  return storeError('invalid_name', message, { name: text, reason })
}

/** For the slashes of an owner in paths of URLs, where each project takes two segments, so that routes can tell it from what
 *  follows. No name holds it, URLs leave it as it is (RFC 3986 §2.3), and shells do within a word. */
const addressSlash = '~'

/** `acme/platform/api` as paths of URLs have it: `acme~platform/api`. Names of two segments are as they are. */
export function formatProjectPath(project: string): string {
  return project.replaceAll(/\/(?=.*\/)/g, addressSlash)
}

/** The project of two segments of a path, percent escapes undone: what `formatProjectPath` makes, and nothing else, so that a
 *  project has one address. Errors: invalid_name. */
export function parseProjectPath(owner: string, repo: string): ProjectName {
  const segments = `${owner}/${repo}`
  if (owner.includes('/') || repo.includes('/')) {
    const reason = `addresses have "~" for the slashes of an owner: ${formatProjectPath(segments)}`
    throw refusedProject(segments, reason)
  }
  return parseProjectName(`${owner.replaceAll(addressSlash, '/')}/${repo}`)
}

/** Reads a positive integer below 2^53, as run ids and attempts are. Errors: invalid_request. */
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
