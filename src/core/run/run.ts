/** Projects and runs: who produced an artifact. */
import { invalidRequest, storeError } from '../errors.ts'
import { limits } from '../limits.ts'

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

/** Other facts about a run, from token claims or flags; null where unknown. */
export interface RunFacts {
  /** Of a tag `refs/tags/NAME`: whoever may push a tag `main` may not push to the branch. */
  branch: string | null
  /** The commit that was checked out: of a pull request, usually its merge into the target. */
  sha: string | null
  workflow: string | null
  event: string | null
  /** Number of the run within its workflow: GITHUB_RUN_NUMBER. */
  ordinal: number | null
  /** Number of the pull request, or merge request, within the project. */
  pullRequest: number | null
  /** Newest commit of the pull request, if that is not `sha`. */
  headSha: string | null
  /** Login of whoever started the run. */
  actor: string | null
}

/** A missing fact is unknown, and so is an empty text: scripts pass on variables that are empty. */
export type ToldFacts = { [Fact in keyof RunFacts]?: RunFacts[Fact] | undefined }

/** Takes the facts from an object that may have further fields. */
export function factsOf(told: ToldFacts): RunFacts {
  return {
    branch: told.branch || null,
    sha: told.sha || null,
    workflow: told.workflow || null,
    event: told.event || null,
    ordinal: told.ordinal ?? null,
    pullRequest: told.pullRequest ?? null,
    headSha: told.headSha || null,
    actor: told.actor || null,
  }
}

export const noFacts: Readonly<RunFacts> = factsOf({})
export const factNames: readonly (keyof RunFacts)[] = Object.keys(noFacts) as (keyof RunFacts)[]

/** Returns the known facts, for objects that leave out unknown ones. */
export function knownFacts(facts: RunFacts): {
  [Fact in keyof RunFacts]?: NonNullable<RunFacts[Fact]>
} {
  return Object.fromEntries(
    factNames.map((name) => [name, facts[name]]).filter(([, fact]) => fact !== null),
  )
}

/** Completes facts with those of a less trusted source. */
export function completeFacts(facts: RunFacts, told: ToldFacts): RunFacts {
  return factsOf({ ...told, ...knownFacts(facts) })
}

/** The commit that a run is about: its head in GitHub's API. */
export function headShaOf({ headSha, sha }: Pick<RunFacts, 'headSha' | 'sha'>): string | null {
  return headSha ?? sha
}

const tagPrefix = 'refs/tags/'

/** The `branch` of runs of that tag. */
export function branchOfTag(tag: string): string {
  return tagPrefix + tag
}

/** The `branch` of runs of a full ref: `main` of `refs/heads/main`, `34/merge` of
 *  `refs/pull/34/merge`. A branch whose name would be another ref stays a full one. */
export function branchOfRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|pull)\/(?!refs\/)/, '')
}

export function isTagRef(ref: string): boolean {
  return ref.startsWith(tagPrefix)
}

/** As in GitHub's API, which does not tell tags from branches. */
export function headBranchOf({ branch }: Pick<RunFacts, 'branch'>): string | null {
  return branch !== null && isTagRef(branch) ? branch.slice(tagPrefix.length) : branch
}

/** Parses the number of a pull request from `refs/pull/34/merge`, or from `refs/pull/34/head`, as
 *  Gitea and Forgejo have it. */
export function pullRequestOfRef(ref: string | null | undefined): number | null {
  const [, number] = /^refs\/pull\/([1-9][0-9]{0,14})\/(?:merge|head)$/.exec(ref ?? '') ?? []
  return number === undefined ? null : Number(number)
}

/** Events whose runs build unmerged code, possibly from a fork, which can give its branch any name.
 *  Names from GitHub's "Events that trigger workflows" and GitLab's CI_PIPELINE_SOURCE. The
 *  workflow of `pull_request_target` is the project's own, but its branch is named by the fork as
 *  well, and what it produces is mostly built from the unmerged code. */
export const pullRequestEvents: readonly string[] = [
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
  throw invalidProject(text, reason)
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

function invalidProject(text: string, reason: string): Error {
  const message = `invalid project ${JSON.stringify(text)}: ${reason}`
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
    throw invalidProject(segments, reason)
  }
  return parseProjectName(`${owner.replaceAll(addressSlash, '/')}/${repo}`)
}

/** Parses a positive integer below 2^53, such as a run id or an attempt.
 *  Errors: invalid_request. */
export function parsePositiveInteger(text: string, field: string): number {
  const value = Number(text)
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw invalidRequest(
      field,
      `${field} must be a positive whole number, got ${JSON.stringify(text)}`,
    )
  }
  return value
}
