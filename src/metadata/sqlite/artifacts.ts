/** Artifacts as rows: finding, listing, retention. Making and removing them is in commit.ts and removal.ts. */
import { and, asc, desc, eq, gt, inArray, isNull, lt, lte, or, sql, type SQL } from 'drizzle-orm'
import { artifacts, manifests } from '../../../schema/artifacts.ts'
import { projects, runs } from '../../../schema/runs.ts'
import type { ArtifactName } from '../../core/artifact.ts'
import { digestFromBytes } from '../../core/digest.ts'
import { storeError } from '../../core/errors.ts'
import type { ProjectName } from '../../core/run.ts'
import type { Artifact, ArtifactFilter, ArtifactSort, Metadata } from '../metadata.ts'
import type { Connection } from './connection.ts'
import { endOfTime } from './latest.ts'

type ArtifactMethods = Pick<
  Metadata,
  'findArtifact' | 'listArtifacts' | 'findNewest' | 'setRetention' | 'listExpired'
>

/** Live and unexpired: such an artifact is seen, and holds its name. */
export function isHeld(now: number): SQL | undefined {
  return and(isNull(artifacts.removedAt), gt(artifacts.endsAt, now))
}

/** Reads one artifact, tombstones included. */
export function createArtifactFinder({ orm }: Connection): (id: number) => Artifact | undefined {
  return (id) => {
    const row = selectArtifacts(orm).where(eq(artifacts.id, id)).get()
    return row && toArtifact(row)
  }
}

export function createArtifactMethods(connection: Connection): ArtifactMethods {
  const { orm, read, write } = connection
  const findArtifact = createArtifactFinder(connection)
  const countAll = (where: SQL | undefined): number =>
    orm
      .select({ total: sql<number>`count(*)` })
      .from(artifacts)
      .innerJoin(runs, eq(runs.id, artifacts.runId))
      .where(where)
      .get()!.total

  return {
    findArtifact: async (id) => findArtifact(id),
    listArtifacts: async (filter, { limit, offset, sort, now }) =>
      read(() => {
        const where = matching(filter, now)
        const rows = selectArtifacts(orm)
          .where(where)
          .orderBy(...order[sort])
          .limit(limit)
          .offset(offset)
          .all()
        // A page that is not full is the last, so nothing need be looked at once more to count.
        const isLast = rows.length < limit && (rows.length > 0 || offset === 0)
        const total = isLast ? offset + rows.length : countAll(where)
        return { artifacts: rows.map(toArtifact), total }
      }),
    findNewest: async (filter, now) => {
      const [row] = selectArtifacts(orm)
        .where(matching(filter, now))
        .orderBy(...order.newest)
        .limit(1)
        .all()
      return row && toArtifact(row)
    },
    setRetention: async (id, { expiresAt, pinned }) => {
      write(() => {
        const row = orm.select().from(artifacts).where(eq(artifacts.id, id)).get()
        if (!row || row.removedAt !== null) {
          throw storeError('artifact_not_found', `no live artifact ${id}`, {
            reference: `id:${id}`,
          })
        }
        const next = { expiresAt: expiresAt ?? row.expiresAt, pinned: pinned ?? row.pinned }
        orm
          .update(artifacts)
          .set({ ...next, endsAt: next.pinned || row.keptLatest ? endOfTime : next.expiresAt })
          .where(eq(artifacts.id, id))
          .run()
      })
    },
    listExpired: async (now, limit) =>
      orm
        .select({ id: artifacts.id })
        .from(artifacts)
        .where(and(isNull(artifacts.removedAt), lte(artifacts.endsAt, now)))
        .orderBy(asc(artifacts.endsAt), asc(artifacts.id))
        .limit(limit)
        .all()
        .map((row) => row.id),
  }
}

const order: Record<ArtifactSort, SQL[]> = {
  newest: [desc(artifacts.id)],
  oldest: [asc(artifacts.id)],
  largest: [desc(artifacts.logicalBytes), desc(artifacts.id)],
  expiring: [asc(artifacts.endsAt), asc(artifacts.id)],
  costliest: [desc(artifacts.newBytes), desc(artifacts.id)],
  name: [asc(artifacts.name), desc(artifacts.id)],
}

/** Artifacts (joined with their runs) that a filter lets through. */
export function matching(filter: ArtifactFilter, now: number): SQL | undefined {
  // Asked of the run where one is named: SQLite, which knows nothing of how rows are spread, would look through all artifacts
  // of the project for those of the run.
  const project = filter.run === undefined ? artifacts.projectId : runs.projectId
  return and(
    filter.projectId === undefined ? undefined : eq(project, filter.projectId),
    filter.run === undefined ? undefined : eq(runs.number, filter.run),
    filter.attempt === undefined ? undefined : eq(runs.attempt, filter.attempt),
    filter.name === undefined ? undefined : eq(artifacts.name, filter.name),
    filter.branch === undefined ? undefined : eq(runs.branch, filter.branch),
    filter.latestOf === undefined ? undefined : eq(artifacts.latestOf, filter.latestOf),
    filter.nameContains === undefined
      ? undefined
      : sql`instr(lower(${artifacts.name}), lower(${filter.nameContains})) > 0`,
    filter.pinned === undefined ? undefined : eq(artifacts.pinned, filter.pinned),
    filter.keptLatest === undefined ? undefined : eq(artifacts.keptLatest, filter.keptLatest),
    filter.manifestId === undefined ? undefined : eq(artifacts.manifestId, filter.manifestId),
    filter.beforeId === undefined ? undefined : lt(artifacts.id, filter.beforeId),
    filter.afterId === undefined ? undefined : gt(artifacts.id, filter.afterId),
    filter.ids === undefined ? undefined : inArray(artifacts.id, filter.ids),
    stateCondition(filter.state, now),
  )
}

function stateCondition(state: ArtifactFilter['state'], now: number): SQL | undefined {
  switch (state) {
    case undefined:
      return isHeld(now)
    case 'any':
      return undefined
    case 'available':
    case 'damaged':
      return and(isHeld(now), eq(artifacts.state, state))
    case 'deleted':
      return eq(artifacts.state, state)
    case 'expired':
      // Time passes whether or not the artifact has been removed yet.
      return or(
        eq(artifacts.state, state),
        and(isNull(artifacts.removedAt), lte(artifacts.endsAt, now)),
      )
  }
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- drizzle's inferred type is the row's shape.
function selectArtifacts(orm: Connection['orm']) {
  return orm
    .select({
      artifact: artifacts,
      projectName: projects.ownerRepo,
      run: runs,
      manifest: {
        treeDigest: manifests.treeDigest,
        entryCount: manifests.entryCount,
        fileCount: manifests.fileCount,
      },
    })
    .from(artifacts)
    .innerJoin(runs, eq(runs.id, artifacts.runId))
    .innerJoin(projects, eq(projects.id, artifacts.projectId))
    .innerJoin(manifests, eq(manifests.id, artifacts.manifestId))
}

type ArtifactRow = NonNullable<ReturnType<ReturnType<typeof selectArtifacts>['get']>>

function toArtifact({ artifact, projectName, run, manifest }: ArtifactRow): Artifact {
  const {
    contentId: _content,
    endsAt: _ends,
    releasableAt: _releasable,
    latestOf: _,
    ...row
  } = artifact
  return {
    ...row,
    name: row.name as ArtifactName,
    project: projectName as ProjectName,
    runNumber: run.number,
    attempt: run.attempt,
    branch: run.branch,
    sha: run.sha,
    workflow: run.workflow,
    event: run.event,
    treeDigest: digestFromBytes(manifest.treeDigest),
    entryCount: manifest.entryCount,
    fileCount: manifest.fileCount,
    zipDigest: row.zipDigest && digestFromBytes(row.zipDigest),
  }
}
