/** From sorted entries to a visible artifact: stages the manifest (unless the project has the same
 *  one), stages the times, measures the representations, commits. Nothing is visible before the
 *  commit. */
import type { ArtifactKind } from '../core/artifact.ts'
import type { Digest } from '../core/bytes/digest.ts'
import { hasCode } from '../core/errors.ts'
import { type ManifestSummary, createManifestHasher } from '../core/manifest/manifest.ts'
import { manifestPages } from '../core/manifest/manifest-pages.ts'
import { encodeTimes } from '../core/manifest/modification-times.ts'
import {
  createRepresentationMeter,
  digestStagedZip,
  measureRepresentations,
  type RepresentationLengths,
} from '../egress/measure.ts'
import { withReadLease } from '../egress/read-lease.ts'
import type { Published } from '../metadata/metadata.ts'
import type { SortedEntries } from './entry-table.ts'
import { storeFile } from './file-blobs.ts'
import { awaitsHealing } from './heal.ts'
import type { IngestJob } from './job.ts'
import type { IngestPorts, IngestSession } from './session.ts'

interface Publication {
  kind: ArtifactKind
  mimeType: string
  fileName: string | null
  opaqueReason: string | null
  /** `rebuilt`: the digest of the generated zip, computed before the commit. */
  zipDigest: Digest | 'rebuilt' | null
  /** Length of the zip when the upload determines it (`exact` and `opaque`); null to measure the
   *  generated one. */
  zipBytes: number | null
  newBytes: number
  /** Stages the rest of the artifact, after its manifest is staged. What the manifest refers to is
   *  safe by then and needs no row of its own. */
  stageContent?: () => Promise<void>
}

/** The session that holds the content, and where the artifact goes. */
export interface Publisher extends IngestPorts {
  id: string
  job: Pick<
    IngestJob,
    'runId' | 'job' | 'name' | 'createdAt' | 'expiresAt' | 'onConflict' | 'uploadId' | 'by'
  >
}

type UploadPublication = Omit<Publication, 'newBytes'>

/** Publishes one file as an artifact. Errors: those of `publish` and of `content`. */
export async function publishFile(
  session: IngestSession,
  content: AsyncIterable<Uint8Array>,
  { level, ...publication }: UploadPublication & { fileName: string; level: number },
): Promise<Published> {
  const stored = await storeFile(session.writer, content, { level })
  session.table.addFile(publication.fileName, { ...stored, mode: 0o644, modifiedAt: null })
  return await publishUpload(session, publication)
}

/** Publishes the entries of an upload, once its content is durable. Errors: duplicate_path, and
 *  those of `publish`. */
export async function publishUpload(
  session: IngestSession,
  publication: UploadPublication,
): Promise<Published> {
  const entries = session.table.sort()
  const { newBytes } = await session.writer.finish()
  return await publish(session, entries, { ...publication, newBytes })
}

/** Errors: name_taken, session_ended, busy (a file waits to be healed). */
export async function publish(
  session: Publisher,
  entries: SortedEntries,
  publication: Publication,
): Promise<Published> {
  const { metadata, job, checkpoint } = session
  const { stageContent, ...published } = publication
  const summary = summarize(entries)
  const { manifestId, measured } = await stageManifest(session, entries, summary)
  await stageTimes(session, entries)
  await checkpoint?.('manifest-staged')
  await stageContent?.()
  const zipDigest =
    publication.zipDigest === 'rebuilt'
      ? await withReadLease(session, () =>
          digestStagedZip(session, manifestId, { ...measured, modifiedAt: entries.modifiedAt }),
        )
      : publication.zipDigest
  await checkpoint?.('commit-next')
  const outcome = await metadata.commitArtifact(session.id, {
    ...published,
    runId: job.runId,
    job: job.job,
    name: job.name,
    manifestId,
    zipDigest,
    zipBytes: publication.zipBytes ?? measured.zipBytes,
    zipPages: publication.zipBytes === null ? measured.zipPages : null,
    tarGzBytes: measured.tarGzBytes,
    createdAt: job.createdAt,
    now: session.now(),
    expiresAt: job.expiresAt,
    onConflict: job.onConflict,
    uploadId: job.uploadId,
    by: job.by,
  })
  await checkpoint?.('committed')
  return outcome
}

function summarize(entries: SortedEntries): ManifestSummary {
  const hasher = createManifestHasher()
  for (let ordinal = 0; ordinal < entries.count; ordinal++) hasher.add(entries.entry(ordinal))
  return hasher.summary()
}

async function stageManifest(
  { id, metadata }: Publisher,
  entries: SortedEntries,
  summary: ManifestSummary,
): Promise<{ manifestId: number; measured: RepresentationLengths }> {
  const { manifestId, exists } = await metadata.stageManifest(id, summary)
  if (exists) return { manifestId, measured: await measureRepresentations(metadata, manifestId) }
  const meter = createRepresentationMeter()
  for (const { page, first, count } of manifestPages(entries.count)) {
    const batch = Array.from({ length: count }, (_, index) => entries.entry(first + index))
    try {
      meter.add(await metadata.stageManifestPage(id, manifestId, page, batch))
    } catch (error) {
      // The session has stored or leased all of it, so what cannot be read is damaged.
      throw hasCode(error, 'not_found') ? awaitsHealing(error) : error
    }
  }
  return { manifestId, measured: meter.lengths() }
}

async function stageTimes(session: Publisher, entries: SortedEntries): Promise<void> {
  for (const { page, first, count } of manifestPages(entries.count)) {
    const times = Array.from({ length: count }, (_, index) => entries.modifiedAt(first + index))
    if (times.some((time) => time !== null)) {
      await session.metadata.stageTimes(session.id, page, encodeTimes(times))
    }
  }
}
