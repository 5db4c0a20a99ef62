/** The latest artifacts of their names on their branches, and which of them are kept for it (core/keep-latest.ts). That is
 *  settled whenever one comes or goes, what is known of its run changes, or the rule does; so who reads needs to know nothing
 *  of it: the end of a kept artifact is the end of time. */
import type { RunFacts } from '../../../core/run.ts'
import {
  compileLatestRule,
  formerLatestMs,
  latestBranch,
  type LatestRule,
} from '../../../core/keep-latest.ts'
import type { Connection } from '../connection/connection.ts'

/** `ends_at` of what does not expire. */
export const endOfTime = Number.MAX_SAFE_INTEGER

export interface Latest {
  /** Inside a transaction, after this artifact came or went: keeps the latest where it belongs, if the rule says so, and no
   *  other there. */
  settle(artifactId: number, now: number): void
  /** After facts of a run have changed: its artifacts move to where they are the latest of now, in short transactions, and the
   *  mark that says that some are not there goes with the last. */
  moveRun(runId: number, now: number): Promise<void>
  /** Settles all places of a project, in short transactions of its own, each durable. */
  settleProject(projectId: number, now: number): Promise<void>
}

/** What `latest:` can mean: a name on a branch. */
interface LatestPlace {
  projectId: number
  name: string
  /** Null: what can be no latest. */
  latestOf: string | null
}

/** Places that one transaction settles: some ten microseconds each, 0.1 ms where something changes. */
const batchPlaces = 100
/** Artifacts of a run that one step moves: each is two places. */
const batchMoving = 5

export function createLatest(connection: Connection): Latest {
  const { prepare, write, turn } = connection
  const findRule = createRuleFinder(connection)
  const keepOnly = createKeeping(connection)
  const findNewest = prepare<[number, string, string, number], { id: number }>(
    `SELECT id FROM artifacts INDEXED BY artifacts_latest
     WHERE project_id = ? AND name = ? AND latest_of = ? AND removed_at IS NULL AND ends_at > ?
     ORDER BY id DESC LIMIT 1`,
  )
  const findPlace = prepare<[number], LatestPlace>(
    'SELECT project_id AS projectId, name, latest_of AS latestOf FROM artifacts WHERE id = ?',
  )
  const nextPlace = prepare<[number, string, string], { name: string; latestOf: string }>(
    `SELECT name, latest_of AS latestOf FROM artifacts INDEXED BY artifacts_latest
     WHERE project_id = ? AND latest_of IS NOT NULL AND (name, latest_of) > (?, ?)
     ORDER BY name, latest_of LIMIT 1`,
  )

  const settlePlace: SettlePlace = (place, now) => {
    const { projectId, name, latestOf } = place
    const isKept = latestOf !== null && findRule(projectId)(latestOf, name)
    const latest = isKept ? findNewest.get(projectId, name, latestOf, now) : undefined
    keepOnly(latest?.id, place, now)
  }

  return {
    settle: (artifactId, now) => {
      settlePlace(findPlace.get(artifactId)!, now)
    },
    moveRun: createRunMoving(connection, settlePlace),
    settleProject: async (projectId, now) => {
      let last = { name: '', latestOf: '' }
      const settleSome = (): boolean => {
        for (let count = 0; count < batchPlaces; count++) {
          const next = nextPlace.get(projectId, last.name, last.latestOf)
          if (next === undefined) return false
          settlePlace({ projectId, ...next }, now)
          last = next
        }
        return true
      }
      while (write(settleSome)) await turn()
    },
  }
}

type SettlePlace = (place: LatestPlace, now: number) => void
type Keeping = (latestId: number | undefined, place: LatestPlace, now: number) => void

/** Answers a function that keeps one artifact, or none, of those at a place. */
function createKeeping({ prepare }: Connection): Keeping {
  const listKept = prepare<[number, string, string | null], { id: number }>(
    `SELECT id FROM artifacts INDEXED BY artifacts_kept_latest
     WHERE project_id = ? AND name = ? AND latest_of IS ? AND removed_at IS NULL AND kept_latest = 1`,
  )
  const keep = prepare<[number]>(
    `UPDATE artifacts SET kept_latest = 1, ends_at = ${endOfTime} WHERE id = ?`,
  )
  const letGo = prepare<[number, number, number]>(
    `UPDATE artifacts SET kept_latest = 0, expires_at = max(expires_at, ?),
       ends_at = CASE WHEN pinned THEN ends_at ELSE max(expires_at, ?) END
     WHERE id = ?`,
  )
  return (latestId, { projectId, name, latestOf }, now) => {
    const kept = listKept.all(projectId, name, latestOf).map(({ id }) => id)
    const until = now + formerLatestMs
    for (const id of kept) if (id !== latestId) letGo.run(until, until, id)
    if (latestId !== undefined && !kept.includes(latestId)) keep.run(latestId)
  }
}

function createRunMoving(
  { prepare, stageInSteps }: Connection,
  settlePlace: SettlePlace,
): Latest['moveRun'] {
  const findRun = prepare<[number], Pick<RunFacts, 'branch' | 'event'>>(
    'SELECT branch, event FROM runs WHERE id = ?',
  )
  const listMoving = prepare<[number, string | null, number, number], LatestPlace & { id: number }>(
    `SELECT id, project_id AS projectId, name, latest_of AS latestOf FROM artifacts INDEXED BY artifacts_by_run
     WHERE run_id = ? AND latest_of IS NOT ? AND id > ? ORDER BY id LIMIT ?`,
  )
  const move = prepare<[string | null, number]>('UPDATE artifacts SET latest_of = ? WHERE id = ?')
  const unmark = prepare<[number]>('UPDATE runs SET is_latest_settled = 1 WHERE id = ?')
  return async (runId, now) => {
    let last = 0
    await stageInSteps(
      () => {
        // Anew in each step: somebody can tell more of the run between two.
        const latestOf = latestBranch(findRun.get(runId)!)
        const moving = listMoving.all(runId, latestOf, last, batchMoving)
        for (const { id, ...place } of moving) {
          move.run(latestOf, id)
          settlePlace(place, now)
          settlePlace({ ...place, latestOf }, now)
          last = id
        }
        if (moving.length === batchMoving) return true
        // Some are left where more was told meanwhile, by whoever moves them now.
        if (listMoving.get(runId, latestOf, 0, 1) === undefined) unmark.run(runId)
        return false
      },
      { isAwaited: true },
    )
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
