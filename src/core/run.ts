/** Projects and runs: who produced an artifact. */
import { storeError } from './errors.ts'

declare const projectBrand: unique symbol
/** `owner/repo`, compared without regard to ASCII case as GitHub does. Made by `parseProjectName`. */
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
 *  "Events that trigger workflows"; GitLab's CI_PIPELINE_SOURCE. `pull_request_target` runs the project's own code. */
const pullRequestEvents: readonly string[] = [
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'merge_request_event',
  'external_pull_request_event',
]

/** Whether what the run made comes from code that nobody has merged. */
export function isOfPullRequest({ event }: Pick<RunFacts, 'event'>): boolean {
  return event !== null && pullRequestEvents.includes(event)
}

const projectPart = /^[A-Za-z0-9_.-]{1,100}$/

/** Errors: invalid_name. */
export function parseProjectName(text: string): ProjectName {
  const [owner, repo, ...rest] = text.split('/')
  const bad = (part: string | undefined): boolean =>
    part === undefined || !projectPart.test(part) || part === '.' || part === '..'
  if (bad(owner) || bad(repo) || rest.length > 0) {
    const reason = 'a project is OWNER/REPO, each of letters, digits, "_", "." and "-"'
    throw storeError('invalid_name', `project ${JSON.stringify(text)} is refused: ${reason}`, {
      name: text,
      reason,
    })
  }
  return text as ProjectName
}

/** Reads a positive integer below 2^53, as run ids and attempts are. Errors: invalid_request. */
export function parsePositiveInteger(text: string, field: string): number {
  const value = Number(text)
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw storeError(
      'invalid_request',
      `${field} must be a positive integer, got ${JSON.stringify(text)}`,
      {
        field,
      },
    )
  }
  return value
}
