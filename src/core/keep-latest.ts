/** Keeping the latest: what `latest:BRANCH/NAME` means does not expire where a pattern of the project, else of the server,
 *  matches `BRANCH/NAME`. The rule is about that one artifact; when a newer one takes its place, its own time counts
 *  again. As there, artifacts of pull requests do not count. */
import { isOfPullRequest, type RunFacts } from './run.ts'
import { hasCode, storeError } from './errors.ts'
import { limits } from './limits.ts'
import { compilePathGlobs } from './path-glob.ts'
import { dayMs } from './units.ts'

/** What was the latest stays for this long at least: whoever just found it gets to the end of it, and a newer one that turns
 *  out to be bad can be deleted. */
export const formerLatestMs = dayMs

/** The branch whose latest what a run makes can be. */
export function latestBranch(facts: Pick<RunFacts, 'branch' | 'event'>): string | null {
  return isOfPullRequest(facts) ? null : facts.branch
}

export type LatestRule = (branch: string, name: string) => boolean

/** Compiles patterns of `BRANCH/NAME`, globs as in core/path-glob.ts: `main/build`, `main/dist-*`.
 *  Errors: invalid_request of `keepLatest`, also for more than `limits.keepLatestMax` patterns. */
export function compileLatestRule(patterns: readonly string[]): LatestRule {
  if (patterns.length > limits.keepLatestMax) {
    throw refused(`at most ${limits.keepLatestMax} patterns of BRANCH/NAME can be given`)
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
    // Those are told of a field `path`, which whoever set this never gave.
    if (hasCode(error, 'invalid_request') || hasCode(error, 'too_large'))
      throw refused(error.message)
    throw error
  }
}

function refused(reason: string): Error {
  return storeError('invalid_request', reason, { field: 'keepLatest' })
}
