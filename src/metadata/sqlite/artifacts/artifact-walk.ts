/** Walks artifacts. The number to walk grows with the store even when a filter matches only a
 *  few, so the walk goes in stretches. */
import { type SQL, and, eq, gt, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { runs } from '../../../../schema/runs.ts'
import type { ArtifactFilter } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { equals, isOneOf } from '../connection/conditions.ts'
import { endOfTime } from './latest.ts'
import { inStretches, stretchRowsMax } from '../connection/stretches.ts'

export interface WalkOrder {
  direction: 'up' | 'down'
  /** Only artifacts after this id in the direction of the walk. */
  after?: number | undefined
  /** Asked before each index: no artifact behind this id in the direction of the walk is needed. */
  until?: (() => number | undefined) | undefined
}

/** Examines the artifacts that meet a condition; returns whether the walk continues along this
 *  index. */
export type Visit = (stretch: SQL | undefined) => boolean

/** Walks all artifacts that can match a filter, one index after the other where it takes two. */
export type Walk = (filter: ArtifactFilter, order: WalkOrder, visit: Visit) => Promise<void>

/** Upper bound on the runs of a branch or a pull request that are queried for their artifacts
 *  directly, when these are at most one stretch. Finding so many takes a tenth of a millisecond. */
const runsMax = 1024

/** Upper bound on projects that are walked one after the other, each for about a millisecond. Of
 *  more projects, the next match is usually near in a walk of the whole store. */
const projectsMax = 64

/** Upper bound on artifacts that refer to a file for them to be scanned instead of the newest
 *  artifacts: a file that all builds have is in hundreds of thousands, another in two. */
const holdersMax = 1024

export function createWalk(connection: Connection): Walk {
  const findFew = createFewFinder(connection)

  return async (filter, { direction, after, until }, visit) => {
    const few = findFew(filter)
    if (few !== undefined) {
      const isBehind = direction === 'up' ? gt : lt
      const rest = after === undefined ? undefined : isBehind(artifacts.id, after)
      for (const condition of few) visit(and(condition, rest))
      return
    }
    const first = after ?? (direction === 'up' ? filter.afterId : filter.beforeId)
    for (const [number, index] of indexesFor(filter).entries()) {
      if (number > 0) await connection.turn()
      const walk = { table: artifacts, index, direction, after: first, until: until?.() }
      await inStretches(connection, { ...walk, visit })
    }
  }
}

/** Returns a function that finds conditions, one or none, met by so few artifacts that one
 *  statement can scan them all; undefined when there are too many. */
function createFewFinder({
  orm,
  prepare,
}: Connection): (filter: ArtifactFilter) => (SQL | undefined)[] | undefined {
  const ofRuns = (areMeant: SQL | undefined): SQL[] | undefined => {
    const query = orm.select({ id: runs.id }).from(runs).where(areMeant)
    const found = query.limit(runsMax + 1).all()
    if (found.length === 0) return []
    if (found.length > runsMax) return undefined
    const runIds = found.map(({ id }) => id)
    const isOne = isOneOf(artifacts.runId, runIds)
    const rows = orm
      .select({ id: artifacts.id })
      .from(artifacts)
      .where(isOne)
      .limit(stretchRowsMax + 1)
    return rows.all().length > stretchRowsMax ? undefined : [isOne]
  }
  const referring = prepare<[number], { id: number }>(
    `SELECT a.id FROM "references" r CROSS JOIN artifacts a ON a.manifest_id = r.manifest_id
     WHERE r.blob_id = ? LIMIT ${holdersMax + 1}`,
  )
  const withBlob = (blobId: number): SQL[] | undefined => {
    const found = referring.all(blobId).map(({ id }) => id)
    return found.length > holdersMax ? undefined : [isOneOf(artifacts.id, found)]
  }
  return ({ projectId, run, branch, pullRequest, ids, blobId }) => {
    // A run has at most `limits.artifactsPerRunMax`, and the caller adds a condition on the run.
    if (run !== undefined) return [undefined]
    if (ids !== undefined) return ids.length === 0 ? [] : [isOneOf(artifacts.id, ids)]
    if (blobId !== undefined) return withBlob(blobId)
    if (projectId === undefined) return undefined
    const inProject = eq(runs.projectId, projectId)
    if (pullRequest !== undefined) return ofRuns(and(inProject, eq(runs.pullRequest, pullRequest)))
    return branch === undefined ? undefined : ofRuns(and(inProject, eq(runs.branch, branch)))
  }
}

/** For each index to walk, the condition that selects it. Together they hold, by id, all that
 *  can match the filter. */
function indexesFor(filter: ArtifactFilter): (SQL | undefined)[] {
  const { projectId, projectIds, name, manifestId, state, pinned, keptLatest } = filter
  if (manifestId !== undefined) return [eq(artifacts.manifestId, manifestId)]
  // Written out: SQLite does not consider bound values when it chooses a partial index.
  if (state === 'damaged') return [sql`${artifacts.state} = 'damaged'`]
  // Kept artifacts end last, and are few among the live ones.
  const isKept = (pinned ?? false) || (keptLatest ?? false)
  if (isKept && state === undefined && name === undefined)
    return [and(eq(artifacts.endsAt, endOfTime), isNull(artifacts.removedAt))]
  if (projectId !== undefined) return indexesOf(projectId, filter)
  const isFew = projectIds !== undefined && projectIds.length <= projectsMax
  return isFew ? projectIds.flatMap((each) => indexesOf(each, filter)) : [undefined]
}

function indexesOf(
  projectId: number,
  { name, latestOf, state }: ArtifactFilter,
): (SQL | undefined)[] {
  const inProject = eq(artifacts.projectId, projectId)
  if (name !== undefined) {
    return [and(inProject, eq(artifacts.name, name), equals(artifacts.latestOf, latestOf))]
  }
  const [live, removed] = [
    and(inProject, isNull(artifacts.removedAt)),
    and(inProject, isNotNull(artifacts.removedAt)),
  ]
  if (state === 'deleted') return [removed]
  return state === 'any' || state === 'expired' ? [live, removed] : [live]
}
