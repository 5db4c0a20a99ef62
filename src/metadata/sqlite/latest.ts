/** Which artifacts are kept as the latest (core/keep-latest.ts), settled whenever one comes or goes, what is known of its run
 *  changes, or the rule does. So who reads needs to know nothing of it: the end of such an artifact is the end of time. */
import { isOfPullRequest } from '../../core/run.ts'
import { compileLatestRule, formerLatestMs, type LatestRule } from '../../core/keep-latest.ts'
import type { Connection } from './connection.ts'

/** `ends_at` of what does not expire. */
export const endOfTime = Number.MAX_SAFE_INTEGER

export interface Latest {
  /** Inside a transaction: keeps the latest artifact of the name on the run's branch, and no other. */
  settle(runId: number, name: string, now: number): void
  /** The same for all artifacts of a run. */
  settleRun(runId: number, now: number): void
  /** The same for all of a project, in short transactions of its own, each durable. */
  settleProject(projectId: number, now: number): Promise<void>
}

/** Rows that one transaction looks at: a name costs some ten microseconds, with a change 0.1 ms. */
const batchRows = 100
/** Names that are remembered as settled; others are settled again, which changes nothing. */
const settledMax = 10_000

interface Place {
  projectId: number
  branch: string
  name: string
}

interface CandidateRow {
  id: number
  event: string | null
}

export function createLatest(connection: Connection): Latest {
  const { prepare, write, turn } = connection
  const findRun = prepare<[number], { projectId: number; branch: string | null }>(
    'SELECT project_id AS projectId, branch FROM runs WHERE id = ?',
  )
  const namesOfRun = prepare<[number], { name: string }>(
    'SELECT name FROM artifacts WHERE run_id = ? AND removed_at IS NULL',
  )
  const listLive = prepare<[number, number, number], { id: number; runId: number; name: string }>(
    `SELECT id, run_id AS runId, name FROM artifacts INDEXED BY artifacts_live
     WHERE project_id = ? AND removed_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?`,
  )
  const findRule = createRuleFinder(connection)
  const findLatest = createLatestFinder(connection)
  const moveKeeping = createKeepingMove(connection)

  const settlePlace = (place: Place, now: number): void => {
    const isKept = findRule(place.projectId)(place.branch, place.name)
    moveKeeping(place, isKept ? findLatest(place, now) : undefined, now)
  }
  const settle = (runId: number, name: string, now: number): void => {
    const { projectId, branch } = findRun.get(runId)!
    if (branch !== null) settlePlace({ projectId, branch, name }, now)
  }

  return {
    settle,
    settleRun: (runId, now) => {
      for (const { name } of namesOfRun.all(runId)) settle(runId, name, now)
    },
    settleProject: async (projectId, now) => {
      const settled = new Set<string>()
      for (let before = Number.MAX_SAFE_INTEGER; ;) {
        const rows = write(() => {
          const batch = listLive.all(projectId, before, batchRows)
          for (const { runId, name } of batch) {
            const { branch } = findRun.get(runId)!
            const key = `${branch ?? ''}/${name}`
            if (branch === null || settled.has(key)) continue
            if (settled.size >= settledMax) settled.clear()
            settled.add(key)
            settlePlace({ projectId, branch, name }, now)
          }
          return batch
        })
        if (rows.length < batchRows) return
        before = rows.at(-1)!.id
        await turn()
      }
    },
  }
}

/** The rule of a project, compiled once for each text of it. */
function createRuleFinder({ prepare }: Connection): (projectId: number) => LatestRule {
  const find = prepare<[number], { patterns: string }>(
    `SELECT coalesce((SELECT keep_latest FROM projects WHERE id = ?), keep_latest) AS patterns
     FROM store WHERE id = 1`,
  )
  let compiled: { patterns: string; rule: LatestRule } | undefined
  return (projectId) => {
    const { patterns } = find.get(projectId)!
    if (compiled?.patterns !== patterns) {
      compiled = { patterns, rule: compileLatestRule(JSON.parse(patterns) as string[]) }
    }
    return compiled.rule
  }
}

/** The newest live artifact of the name on the branch, as `latest:` finds it. */
function createLatestFinder({
  prepare,
}: Connection): (place: Place, now: number) => number | undefined {
  const newestFirst = prepare<[number, string, string, number], CandidateRow>(
    `SELECT a.id, r.event FROM artifacts a INDEXED BY artifacts_by_name JOIN runs r ON r.id = a.run_id
     WHERE a.project_id = ? AND a.name = ? AND r.branch = ? AND a.removed_at IS NULL AND a.ends_at > ?
     ORDER BY a.id DESC`,
  )
  return ({ projectId, name, branch }, now) => {
    for (const row of newestFirst.iterate(projectId, name, branch, now))
      if (!isOfPullRequest(row)) return row.id
    return undefined
  }
}

/** Answers a function that keeps `latestId` alone of those at its place. */
function createKeepingMove({
  prepare,
}: Connection): (place: Place, latestId: number | undefined, now: number) => void {
  const listKept = prepare<[number, string, string], { id: number }>(
    `SELECT a.id FROM artifacts a INDEXED BY artifacts_kept_latest JOIN runs r ON r.id = a.run_id
     WHERE a.project_id = ? AND a.name = ? AND a.removed_at IS NULL AND a.kept_latest = 1 AND r.branch = ?`,
  )
  const keep = prepare<[number]>(
    `UPDATE artifacts SET kept_latest = 1, ends_at = ${endOfTime} WHERE id = ?`,
  )
  const letGo = prepare<[number, number, number]>(
    `UPDATE artifacts SET kept_latest = 0, expires_at = max(expires_at, ?),
       ends_at = CASE WHEN pinned THEN ends_at ELSE max(expires_at, ?) END
     WHERE id = ?`,
  )
  return ({ projectId, name, branch }, latestId, now) => {
    const kept = listKept.all(projectId, name, branch).map(({ id }) => id)
    const until = now + formerLatestMs
    for (const id of kept) if (id !== latestId) letGo.run(until, until, id)
    if (latestId !== undefined && !kept.includes(latestId)) keep.run(latestId)
  }
}
