/** Stock uploads: what CreateArtifact promised, and their progress. Their bytes are in staging. */
import { type SQL, and, asc, desc, eq, inArray, lt, ne, sql } from 'drizzle-orm'
import { runs } from '../../../../schema/runs.ts'
import { uploadState, uploads } from '../../../../schema/stock-uploads.ts'
import { type ArtifactName, nameTaken, refuseReplacement } from '../../../core/artifact.ts'
import { digestFromBytes, digestToBytes } from '../../../core/bytes/digest.ts'
import { notFound, storeError } from '../../../core/errors.ts'
import type { Metadata, Upload, UploadState } from '../../metadata.ts'
import { createHolderFinder } from '../artifacts/name-holder.ts'
import type { Connection } from '../connection/connection.ts'
import type { OpenUploadsCheck } from './open-uploads.ts'

type CreateUpload = Parameters<Metadata['createUpload']>[0]
const stateNames: readonly UploadState[] = ['open', 'assembled', 'done']

export function createUploadCreation(
  connection: Connection,
  checkOpen: OpenUploadsCheck,
): Metadata['createUpload'] {
  const { orm, write } = connection
  const [runId, name] = [sql.placeholder('runId'), sql.placeholder('name')]
  const findRun = orm.select().from(runs).where(eq(runs.id, runId)).prepare()
  const findHolder = createHolderFinder(connection)
  const isUnfinished = ne(uploads.state, uploadState.done)
  const listRivals = orm
    .select()
    .from(uploads)
    .where(and(eq(uploads.runId, runId), eq(uploads.name, name), isUnfinished))
    .prepare()

  const checkNameFree = (wanted: CreateUpload): void => {
    const holder = findHolder(wanted.runId, wanted.name)
    if (holder && holder.endsAt > wanted.now) refuseReplacement(wanted, holder)
  }

  const replaceUnfinished = (wanted: CreateUpload): string[] => {
    const rivals = listRivals.all({ runId: wanted.runId, name: wanted.name })
    const isReplaceable = (rival: (typeof rivals)[number]): boolean =>
      rival.job === wanted.job || rival.createdAt + wanted.takeoverMs < wanted.now
    // With `replace`, jobs that race for a name all continue, and the last commit wins.
    if (wanted.onConflict !== 'replace' && !rivals.every(isReplaceable))
      throw nameTaken(wanted.name, null)
    const ids = rivals.filter(isReplaceable).map((rival) => rival.id)
    if (ids.length > 0) orm.delete(uploads).where(inArray(uploads.id, ids)).run()
    return ids
  }

  return async (wanted) =>
    write(() => {
      const run = findRun.get({ runId: wanted.runId })
      if (!run) throw notFound('run', `no run ${wanted.runId}`)
      checkNameFree(wanted)
      const replacedUploadIds = replaceUnfinished(wanted)
      const { takeoverMs: _takeover, onConflict: _conflict, now: createdAt, ...columns } = wanted
      const values = { ...columns, projectId: run.projectId, state: uploadState.open, createdAt }
      const row = orm.insert(uploads).values(values).returning().get()
      checkOpen(run.projectId)
      return { upload: toUpload(row), replacedUploadIds }
    })
}

export function createUploadProgress({
  orm,
  write,
}: Connection): Pick<
  Metadata,
  'findUpload' | 'findUploadByName' | 'assembleUpload' | 'removeUpload'
> {
  const query = orm
    .select()
    .from(uploads)
    .where(eq(uploads.id, sql.placeholder('id')))
    .prepare()
  const byId = (id: string): Upload | undefined => {
    const row = query.get({ id })
    return row && toUpload(row)
  }

  return {
    findUpload: async (id) => byId(id),
    findUploadByName: async (runId, job, name) => {
      const row = orm
        .select()
        .from(uploads)
        .where(and(eq(uploads.runId, runId), eq(uploads.name, name), eq(uploads.job, job)))
        .orderBy(desc(uploads.serial))
        .limit(1)
        .get()
      return row && toUpload(row)
    },
    assembleUpload: async (id, { digest, contentType, sizeBytes }) => {
      write(() => {
        const upload = byId(id)
        if (!upload) throw notFound('upload', `no upload ${id}`)
        if (upload.state !== 'open') {
          if (upload.blockListDigest === digest) return
          const reason = `upload ${id} already has a different block list`
          throw storeError('block_list_conflict', reason, { uploadId: id })
        }
        const blockListDigest = digestToBytes(digest)
        const assembled = { state: uploadState.assembled, blockListDigest, contentType, sizeBytes }
        orm.update(uploads).set(assembled).where(eq(uploads.id, id)).run()
      })
    },
    removeUpload: async (id) => {
      const isUnfinished = and(eq(uploads.id, id), ne(uploads.state, uploadState.done))
      return write(() => orm.delete(uploads).where(isUnfinished).run()).changes > 0
    },
  }
}

export function createUploadLists({
  orm,
}: Connection): Pick<Metadata, 'listStaleUploads' | 'listLiveUploads'> {
  // A literal, because SQLite uses a partial index only for the exact terms of its definition.
  const unfinished = sql`${uploads.state} < ${sql.raw(String(uploadState.done))}`
  const list = (isListed: SQL | undefined, limit: number): string[] =>
    orm
      .select({ id: uploads.id })
      .from(uploads)
      .where(and(unfinished, isListed))
      .orderBy(asc(uploads.createdAt))
      .limit(limit)
      .all()
      .map((row) => row.id)
  return {
    listStaleUploads: async (olderThan, limit) => list(lt(uploads.createdAt, olderThan), limit),
    listLiveUploads: async () => list(undefined, -1),
  }
}

function toUpload({ serial: _, ...row }: typeof uploads.$inferSelect): Upload {
  return {
    ...row,
    name: row.name as ArtifactName,
    state: stateNames[row.state]!,
    blockListDigest: row.blockListDigest && digestFromBytes(row.blockListDigest),
  }
}
