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
  /** Before facts of a run become these: its artifacts move to where they will be the latest of, in short transactions. A crash
   *  leaves some of them to whoever tells the facts again. */
  moveRun(runId: number, facts: Pick<RunFacts, 'branch' | 'event'>, now: number): Promise<void>
  /** Inside a transaction, after facts of a run have changed: the same, of what came since. */
  settleRun(runId: number, now: number): void
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
    ...createRunSettling(connection, settlePlace),
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

function createRunSettling(
  { prepare, stageInSteps }: Connection,
  settlePlace: SettlePlace,
): Pick<Latest, 'moveRun' | 'settleRun'> {
  const findRun = prepare<[number], Pick<RunFacts, 'branch' | 'event'>>(
    'SELECT branch, event FROM runs WHERE id = ?',
  )
  const listMoving = prepare<[number, string | null, number, number], LatestPlace & { id: number }>(
    `SELECT id, project_id AS projectId, name, latest_of AS latestOf FROM artifacts INDEXED BY artifacts_by_run
     WHERE run_id = ? AND latest_of IS NOT ? AND id > ? ORDER BY id LIMIT ?`,
  )
  const move = prepare<[string | null, number]>('UPDATE artifacts SET latest_of = ? WHERE id = ?')
  const settleMoving = (
    moving: (LatestPlace & { id: number })[],
    latestOf: string | null,
    now: number,
  ): void => {
    for (const { id, ...place } of moving) {
      move.run(latestOf, id)
      settlePlace(place, now)
      settlePlace({ ...place, latestOf }, now)
    }
  }
  return {
    moveRun: async (runId, facts, now) => {
      const latestOf = latestBranch(facts)
      // Each once: who tells another branch at the same time moves them back.
      let last = 0
      await stageInSteps(
        () => {
          const moving = listMoving.all(runId, latestOf, last, batchMoving)
          settleMoving(moving, latestOf, now)
          last = moving.at(-1)?.id ?? last
          return moving.length === batchMoving
        },
        { isAwaited: true },
      )
    },
    settleRun: (runId, now) => {
      const latestOf = latestBranch(findRun.get(runId)!)
      settleMoving(listMoving.all(runId, latestOf, 0, -1), latestOf, now)
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
