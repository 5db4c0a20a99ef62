/** Keeping the latest: the artifact that `latest:BRANCH/NAME` resolves to does not expire where a
 *  pattern of the project, or else of the server, matches `BRANCH/NAME`. The rule covers that one
 *  artifact; once a newer one replaces it, its own expiry applies again. As for `latest:`,
 *  artifacts of pull requests do not count. */
import { isOfPullRequest, type RunFacts } from '../run/run.ts'
import { hasCode, invalidRequest } from '../errors.ts'
import { limits } from '../limits.ts'
import { compilePathGlobs } from '../glob/path-glob.ts'
import { dayMs } from '../units.ts'

/** Minimum time that a former latest artifact stays: long enough to finish a download of it, and to
 *  delete a newer one that turns out to be bad. */
export const formerLatestMs = dayMs

/** The branch on which a run's artifacts can be the latest; null for pull requests. */
export function latestBranch(facts: Pick<RunFacts, 'branch' | 'event'>): string | null {
  return isOfPullRequest(facts) ? null : facts.branch
}

export type LatestRule = (branch: string, name: string) => boolean

/** Compiles patterns of `BRANCH/NAME`, globs as in core/glob/path-glob.ts: `main/build`,
 *  `main/dist-*`. Errors: invalid_request for `keepLatest`, also for more than
 *  `limits.keepLatestMax` patterns. */
export function compileLatestRule(patterns: readonly string[]): LatestRule {
  if (patterns.length > limits.keepLatestMax) {
    throw refused(`at most ${limits.keepLatestMax} patterns of BRANCH/NAME are allowed`)
  }
  const bad = patterns.find((pattern) => !/[^/]\/[^/]/.test(pattern))
  if (bad !== undefined) throw refused(`${JSON.stringify(bad)} must be BRANCH/NAME`)
  const matches = compile(patterns)
  return (branch, name) => matches(`${branch}/${name}`)
}

function compile(patterns: readonly string[]): (path: string) => boolean {
  try {
    return compilePathGlobs(patterns)
  } catch (error) {
    // The original errors name a field `path`, which the caller never set.
    if (hasCode(error, 'invalid_request', 'too_large')) throw refused(error.message)
    throw error
  }
}

function refused(reason: string): Error {
  return invalidRequest('keepLatest', reason)
}
