/** Artifacts as rows: finding, listing, retention. Creation and removal are in commit.ts and
 *  removal.ts. */
import { blobState } from '../../../../schema/content.ts'
import { and, eq, getTableColumns, sql } from 'drizzle-orm'
import { artifacts, manifests } from '../../../../schema/artifacts.ts'
import { auditLog } from '../../../../schema/audit.ts'
import { projects, runs } from '../../../../schema/runs.ts'
import type { ArtifactName } from '../../../core/artifact.ts'
import type { Actor } from '../../../core/audit.ts'
import { digestFromBytes, digestToBytes } from '../../../core/bytes/digest.ts'
import { artifactNotFound } from '../../../core/errors.ts'
import { factsOf, type ProjectName } from '../../../core/run/run.ts'
import type { Artifact, ArtifactFilter, Author, Metadata, RetentionChange } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { matching, undismissedSecrets } from './artifact-filter.ts'
import { createIdFinder } from './artifact-order.ts'
import { createArtifactSums } from './artifact-sums.ts'
import { isOneOf } from '../connection/conditions.ts'
import type { Connection } from '../connection/connection.ts'
import { writeInBatches } from '../connection/in-batches.ts'
import { endOfTime } from './latest.ts'

type ArtifactMethods = Pick<
  Metadata,
  | 'findArtifact'
  | 'findArtifacts'
  | 'listArtifacts'
  | 'sumArtifacts'
  | 'countArtifacts'
  | 'findNewest'
  | 'listHolders'
>

/** Reads one artifact, including tombstones. */
export function createArtifactFinder({ orm }: Connection): (id: number) => Artifact | undefined {
  // Nearly every request reads one, and drizzle would take longer to build the query than SQLite
  // to answer it.
  const query = selectArtifacts(orm)
    .where(eq(artifacts.id, sql.placeholder('id')))
    .prepare()
  return (id) => {
    const row = query.get({ id })
    return row && toArtifact(row)
  }
}

/** Reads pages of artifacts. */
function createArtifactPages(connection: Connection): Metadata['findArtifacts'] {
  const { orm, read } = connection
  const findIds = createIdFinder(connection)
  // Its many columns take drizzle longer than the condition, which differs from call to call.
  const select = selectArtifacts(orm)
    .where(sql`${artifacts.id} IN (SELECT j.value FROM json_each(${sql.placeholder('ids')}) j)`)
    .prepare()
  const readMatches = (ids: number[], filter: ArtifactFilter, now: number): Artifact[] => {
    const rows = read(() => {
      const matches = orm
        .select({ id: artifacts.id })
        .from(artifacts)
        .innerJoin(runs, eq(runs.id, artifacts.runId))
        .where(and(isOneOf(artifacts.id, ids), matching(filter, now)))
        .all()
      return select.all({ ids: JSON.stringify(matches.map(({ id }) => id)) })
    })
    const found = new Map(rows.map((row) => [row.artifact.id, toArtifact(row)]))
    return ids.flatMap((id) => found.get(id) ?? [])
  }
  return async (filter, page) => {
    for (;;) {
      const ids = await findIds(filter, page)
      const found = ids.length === 0 ? [] : readMatches(ids, filter, page.now)
      // An artifact that was removed in the meantime no longer matches, and whoever reads the list
      // would take a page that is not full for the last.
      if (found.length === ids.length) return found
    }
  }
}

export function createArtifactMethods(connection: Connection): ArtifactMethods {
  const findArtifact = createArtifactFinder(connection)
  const findArtifacts = createArtifactPages(connection)
  const sums = createArtifactSums(connection)
  const findBlob = connection.prepare<[Buffer], { id: number }>(
    `SELECT id FROM blobs WHERE digest = ? AND state < ${blobState.filling}`,
  )

  return {
    findArtifact: async (id) => findArtifact(id),
    findArtifacts,
    listArtifacts: async (filter, page) => {
      const found = await findArtifacts(filter, page)
      const { limit, offset, now } = page
      // A page that is not full is the last, so no second walk is needed to count.
      const isLast = found.length < limit && (found.length > 0 || offset === 0)
      const total = isLast ? offset + found.length : await sums.countArtifacts(filter, now)
      return { artifacts: found, total }
    },
    ...sums,
    findNewest: async (filter, now) => {
      const [newest] = await findArtifacts(filter, { limit: 1, offset: 0, sort: 'newest', now })
      return newest
    },
    listHolders: async (digest, { projectIds, beforeId, limit, now }) => {
      const blob = findBlob.get(digestToBytes(digest))
      if (blob === undefined) return []
      const filter = {
        blobId: blob.id,
        ...(projectIds !== null && { projectIds }),
        ...(beforeId !== undefined && { beforeId }),
      }
      return await findArtifacts(filter, { limit, offset: 0, sort: 'newest', now })
    },
  }
}

export function createRetention(
  connection: Connection,
  audit: AuditLog,
): Pick<Metadata, 'setRetention' | 'setRetentionOfMany'> {
  const { prepare, write } = connection
  const find = prepare<[number, number], { expiresAt: number; pinned: number }>(
    `SELECT expires_at AS expiresAt, pinned FROM artifacts
     WHERE id = ? AND removed_at IS NULL AND ends_at > ?`,
  )
  const update = prepare<[number, number, number, number, number]>(
    `UPDATE artifacts SET expires_at = ?, pinned = ?,
       ends_at = CASE WHEN ? OR kept_latest THEN ${endOfTime} ELSE ? END
     WHERE id = ?`,
  )
  /** Inside a transaction. Returns what changed; undefined when the artifact is not live, or had
   *  expired by `expiredBy`. */
  const change = (
    id: number,
    wanted: RetentionChange,
    expiredBy: number,
  ): RetentionChange | undefined => {
    const found = find.get(id, expiredBy)
    if (found === undefined) return undefined
    const { expiresAt = found.expiresAt, pinned = found.pinned === 1 } = wanted
    update.run(expiresAt, Number(pinned), Number(pinned), expiresAt, id)
    return {
      ...(expiresAt !== found.expiresAt && { expiresAt }),
      ...(pinned !== (found.pinned === 1) && { pinned }),
    }
  }
  const record = (
    ids: number[],
    { pinned, expiresAt }: RetentionChange,
    author: Author | undefined,
  ): void => {
    if (pinned !== undefined) audit.recordOf(ids, author, { kind: pinned ? 'keep' : 'release' })
    if (expiresAt !== undefined)
      audit.recordOf(ids, author, { kind: 'expire', details: { expiresAt } })
  }
  return {
    setRetention: async (id, wanted, author) => {
      write(() => {
        const changed = change(id, wanted, -1)
        if (changed === undefined) throw artifactNotFound(`id:${id}`, `no live artifact ${id}`)
        record([id], changed, author)
      })
    },
    setRetentionOfMany: async (ids, wanted, now, author) =>
      await writeInBatches(
        connection,
        ids,
        (id) => Object.keys(change(id, wanted, now) ?? {}).length > 0,
        (changed) => record(changed, wanted, author),
      ),
  }
}

// `zipPages` of a large artifact has some kilobytes.
const {
  zipPages: _pages,
  contentId: _content,
  endsAt: _ends,
  releasableAt: _releasable,
  latestOf: _latest,
  removedAct: _act,
  ...artifactColumns
} = getTableColumns(artifacts)

/** Null before the first scan. */
const countedSecrets = sql<number | null>`CASE WHEN ${manifests.secretRules} > 0
  THEN (SELECT count(*) FROM ${undismissedSecrets}) END`

// oxlint-disable-next-line typescript/explicit-function-return-type -- inferred by drizzle.
function selectArtifacts(orm: Connection['orm']) {
  return orm
    .select({
      artifact: artifactColumns,
      projectName: projects.ownerRepo,
      run: runs,
      removedBy: auditLog.actor,
      secrets: countedSecrets,
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
    .leftJoin(auditLog, eq(auditLog.id, artifacts.removedAct))
}

type ArtifactRow = NonNullable<ReturnType<ReturnType<typeof selectArtifacts>['get']>>

function toArtifact({
  artifact: row,
  projectName,
  run,
  removedBy,
  secrets,
  manifest,
}: ArtifactRow): Artifact {
  return {
    ...row,
    name: row.name as ArtifactName,
    removedBy: removedBy as Actor | null,
    secrets,
    project: projectName as ProjectName,
    runNumber: run.number,
    attempt: run.attempt,
    ...factsOf(run),
    treeDigest: digestFromBytes(manifest.treeDigest),
    entryCount: manifest.entryCount,
    fileCount: manifest.fileCount,
    zipDigest: row.zipDigest && digestFromBytes(row.zipDigest),
  }
}
