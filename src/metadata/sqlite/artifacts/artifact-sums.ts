/** Sums over artifacts. Those of whole projects, or of the store, come from the rollups; others
 *  take a walk. */
import { and, eq, sql } from 'drizzle-orm'
import { artifacts } from '../../../../schema/artifacts.ts'
import { runs } from '../../../../schema/runs.ts'
import type { ArtifactFilter, ArtifactSums, Metadata } from '../../metadata.ts'
import { isAboutRun, matching } from './artifact-filter.ts'
import { createWalk } from './artifact-walk.ts'
import type { Connection } from '../connection/connection.ts'
import { stretchRowsMax } from '../connection/stretches.ts'

const count = { artifacts: sql<number>`count(*)` }
const all = {
  ...count,
  logicalBytes: sql<number>`coalesce(sum(${artifacts.logicalBytes}), 0)`,
  newBytes: sql<number>`coalesce(sum(${artifacts.newBytes}), 0)`,
}
type Selection = typeof count & Partial<typeof all>

export function createArtifactSums(
  connection: Connection,
): Pick<Metadata, 'sumArtifacts' | 'countArtifacts'> {
  const sumWalked = createWalkedSums(connection)
  const sumLive = createLiveSums(connection)
  const sum = async (
    filter: ArtifactFilter,
    now: number,
    select: Selection,
  ): Promise<ArtifactSums> => {
    const scopes = scopesOf(filter)
    return scopes === undefined ? await sumWalked(filter, now, select) : await sumLive(scopes, now)
  }
  return {
    sumArtifacts: async (filter, now) => await sum(filter, now, all),
    countArtifacts: async (filter, now) => (await sum(filter, now, count)).artifacts,
  }
}

/** The rollups that count what the filter names before it expires; undefined when none do. */
function scopesOf({ projectId, projectIds, ...rest }: ArtifactFilter): number[] | undefined {
  if (Object.values(rest).some((value) => value !== undefined)) return undefined
  if (projectIds === undefined) return [projectId ?? 0]
  return projectId === undefined ? [...new Set(projectIds)] : undefined
}

/** In the order in which artifacts end. */
interface Place {
  at: number
  id: number
}

/** Subtracts from the rollups what has expired since the last garbage collection. That is exact
 *  when it takes one stretch; what is collected during a longer walk may still be included. */
function createLiveSums(
  connection: Connection,
): (scopes: number[], now: number) => Promise<ArtifactSums> {
  const { prepare, read, turn } = connection
  const columns = (source: string): string =>
    `coalesce(sum(logical_bytes), 0) AS logicalBytes, coalesce(sum(new_bytes), 0) AS newBytes FROM ${source}`
  const total = prepare<[string], ArtifactSums>(
    `SELECT coalesce(sum(artifacts), 0) AS artifacts,
       ${columns('totals')} WHERE scope IN (SELECT j.value FROM json_each(?) j)`,
  )
  const expired = 'artifacts INDEXED BY artifacts_ending WHERE removed_at IS NULL'
  const findEnd = prepare<[number, number, number], Place>(
    `SELECT ends_at AS at, id FROM ${expired} AND ends_at <= ? AND (ends_at, id) > (?, ?)
     ORDER BY ends_at, id LIMIT 1 OFFSET ${stretchRowsMax - 1}`,
  )
  const sumExpired = prepare<[object], ArtifactSums>(
    `SELECT count(*) AS artifacts, ${columns(expired)}
       AND (ends_at, id) > (@at, @id) AND ends_at <= @endAt AND (ends_at < @endAt OR id <= @endId)
       AND (@scopes = '[0]' OR project_id IN (SELECT j.value FROM json_each(@scopes) j))`,
  )
  return async (ids, now) => {
    const scopes = JSON.stringify(ids)
    const sums = noArtifacts()
    const subtractSome = (from: Place): Place | undefined => {
      const end = findEnd.get(now, from.at, from.id)
      const { at: endAt, id: endId } = end ?? { at: now, id: Number.MAX_SAFE_INTEGER }
      addTo(sums, sumExpired.get({ scopes, ...from, endAt, endId })!, -1)
      return end
    }
    let place = read(() => {
      addTo(sums, total.get(scopes)!, 1)
      return subtractSome({ at: -1, id: 0 })
    })
    while (place !== undefined) {
      await turn()
      place = subtractSome(place)
    }
    return sums
  }
}

/** Adds up what `select` finds in each stretch. Columns that it leaves out need not be read. */
function createWalkedSums(
  connection: Connection,
): (filter: ArtifactFilter, now: number, select: Selection) => Promise<ArtifactSums> {
  const { orm } = connection
  const walk = createWalk(connection)
  return async (filter, now, select) => {
    const sums = noArtifacts()
    const isMatch = matching(filter, now)
    await walk(filter, { direction: 'down' }, (stretch) => {
      const source = orm.select(select).from(artifacts).$dynamic()
      if (isAboutRun(filter)) source.innerJoin(runs, eq(runs.id, artifacts.runId))
      addTo(sums, source.where(and(isMatch, stretch)).get()!, 1)
      return true
    })
    return sums
  }
}

function noArtifacts(): ArtifactSums {
  return { artifacts: 0, logicalBytes: 0, newBytes: 0 }
}

function addTo(sums: ArtifactSums, part: Partial<ArtifactSums>, sign: 1 | -1): void {
  for (const name of Object.keys(part) as (keyof ArtifactSums)[]) sums[name] += sign * part[name]!
}
