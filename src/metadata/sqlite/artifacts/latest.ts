/** The latest artifacts of their names on their branches, and which of them are kept
 *  (core/policy/keep-latest.ts). This is updated whenever an artifact is created or removed, the
 *  facts of its run change, or the rule changes. Readers need not know about it: a kept artifact
 *  expires at the end of time. */
import type { RunFacts } from '../../../core/run/run.ts'
import {
  compileLatestRule,
  formerLatestMs,
  latestBranch,
  type LatestRule,
} from '../../../core/policy/keep-latest.ts'
import type { Connection } from '../connection/connection.ts'

/** `ends_at` of artifacts that do not expire. */
export const endOfTime = Number.MAX_SAFE_INTEGER

export interface Latest {
  /** Inside a transaction, after this artifact was created or removed: keeps the latest at its
   *  place if the rule says so, and no other there. */
  settle(artifactId: number, now: number): void
  /** After the facts of a run changed: moves its artifacts to the places where they now belong,
   *  in short transactions. The last one clears the mark that says some are not there yet. */
  moveRun(runId: number, now: number): Promise<void>
  /** Updates all places of a project, in short durable transactions. */
  settleProject(projectId: number, now: number): Promise<void>
}

/** What `latest:` can refer to: a name on a branch. */
interface LatestPlace {
  projectId: number
  name: string
  /** Null for artifacts that cannot be a latest. */
  latestOf: string | null
}

/** Places per transaction: some ten microseconds each, 0.1 ms where something changes. */
const batchPlaces = 100
/** Artifacts of a run moved per step: each affects two places. */
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

/** Returns a function that keeps one artifact, or none, of those at a place. */
function createKeeping({ prepare }: Connection): Keeping {
  const listKept = prepare<[number, string, string | null], { id: number }>(
    `SELECT id FROM artifacts INDEXED BY artifacts_kept_latest
     WHERE project_id = ? AND name = ? AND latest_of IS ? AND removed_at IS NULL AND kept_latest = 1`,
  )
  const keep = prepare<[number]>(
    `UPDATE artifacts SET kept_latest = 1, ends_at = ${endOfTime} WHERE id = ?`,
  )
  const unkeep = prepare<[number, number, number]>(
    `UPDATE artifacts SET kept_latest = 0, expires_at = max(expires_at, ?),
       ends_at = CASE WHEN pinned THEN ends_at ELSE max(expires_at, ?) END
     WHERE id = ?`,
  )
  return (latestId, { projectId, name, latestOf }, now) => {
    const kept = listKept.all(projectId, name, latestOf).map(({ id }) => id)
    const until = now + formerLatestMs
    for (const id of kept) if (id !== latestId) unkeep.run(until, until, id)
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
        // Read again in each step, since the facts of the run can change between two.
        const latestOf = latestBranch(findRun.get(runId)!)
        const moving = listMoving.all(runId, latestOf, last, batchMoving)
        for (const { id, ...place } of moving) {
          move.run(latestOf, id)
          settlePlace(place, now)
          settlePlace({ ...place, latestOf }, now)
          last = id
        }
        if (moving.length === batchMoving) return true
        // If the facts changed in the meantime, some are left; whoever moves them now clears the
        // mark.
        if (listMoving.get(runId, latestOf, 0, 1) === undefined) unmark.run(runId)
        return false
      },
      { isAwaited: true },
    )
  }
}

/** The rule of a project, recompiled only when its text changes. */
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
