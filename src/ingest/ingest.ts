/** The outline of every upload: open a session, turn the outside form into blobs and entries,
 *  publish; on any failure roll everything back. Runs in a worker thread, with ports of its own. */
import type { Readable } from 'node:stream'
import { treeOfFiles } from '../core/artifact.ts'
import { type Digest, createDigestHasher } from '../core/bytes/digest.ts'
import { digestMismatch, lengthMismatch, storeError } from '../core/errors.ts'
import { isZipType, servedMediaType } from '../core/media-type.ts'
import { zipSignature } from '../core/zip/zip-records.ts'
import type { Published } from '../metadata/metadata.ts'
import { byteBudget } from './byte-budget.ts'
import type { IngestJob } from './job.ts'
import { publishFile, publishUpload } from './publish.ts'
import { type IngestPorts, type IngestSession, beginSession, endSession } from './session.ts'
import { type StagedReader, openStagedReader } from './staging/staged-reader.ts'
import { ingestTar } from './tar/tar.ts'
import { ingestZip } from './zip/zip.ts'

/** Runs one job to its end. A failed job leaves nothing visible.
 *  Errors: those of the form's reader, and name_taken, length_mismatch, digest_mismatch,
 *  storage_full. */
export async function ingest(
  ports: IngestPorts,
  job: IngestJob,
  source: { body?: Readable | undefined; signal?: AbortSignal | undefined },
): Promise<Published> {
  const session = await beginSession(ports, job, source.signal)
  try {
    return job.staged === null
      ? await ingestStream(session, source.body)
      : await ingestStaged(session, await openStagedReader(job.staged, source.signal))
  } catch (error) {
    // The first failure is the one to report: a full disk prevents this, too, until later
    // (`pool/late-ends.ts`).
    await endSession(session).catch(() => {})
    throw error
  } finally {
    session.share.close()
  }
}

async function ingestStaged(session: IngestSession, reader: StagedReader): Promise<Published> {
  try {
    const { job } = session
    session.bodyDigest = await checkBody(session, reader)
    if (job.form === 'zip' || (job.form === 'auto' && (await looksLikeZip(job, reader)))) {
      return await ingestZip(session, reader)
    }
    if (job.form === 'auto' || job.form === 'file') {
      return await ingestFile(session, reader.stream(0, reader.sizeBytes))
    }
    throw new Error(`form ${job.form} cannot be ingested from staging`)
  } finally {
    await reader.close()
  }
}

async function ingestStream(
  session: IngestSession,
  body: Readable | undefined,
): Promise<Published> {
  if (body === undefined) throw new Error('a job without staged bytes needs a body')
  const { job, settings, writer, table, signal } = session
  if (job.form === 'file') return await ingestFile(session, body)
  if (job.form !== 'tar' && job.form !== 'tar.gz')
    throw new Error(`form ${job.form} needs staged bytes`)
  session.share.onOverdue(() => {
    const reason = 'others waited too long for the memory of this upload, which has many entries'
    body.destroy(storeError('busy', reason, { what: 'memory for entries' }))
  })
  await ingestTar(body, job.form, {
    writer,
    table,
    level: settings.compressionLevel,
    artifactBytesMax: settings.artifactBytesMax,
    signal,
  })
  return await publishUpload(session, { ...treeOfFiles, zipBytes: null })
}

/** Ingests one raw file, which is served as it was sent. */
async function ingestFile(
  session: IngestSession,
  content: AsyncIterable<Uint8Array>,
): Promise<Published> {
  const { job, settings } = session
  return await publishFile(session, byteBudget(settings.artifactBytesMax).bound(content), {
    kind: 'raw',
    level: settings.compressionLevel,
    mimeType: servedMediaType(job.mimeType),
    fileName: job.fileName,
    opaqueReason: null,
    zipDigest: null,
    zipBytes: null,
  })
}

/** Hashes staged bytes once and checks them against what the sender announced. */
async function checkBody(session: IngestSession, reader: StagedReader): Promise<Digest> {
  const { expected } = session.job
  if (expected !== null && expected.sizeBytes !== reader.sizeBytes) {
    throw lengthMismatch(
      `the upload has ${reader.sizeBytes} bytes, but ${expected.sizeBytes} were announced`,
      expected.sizeBytes,
      reader.sizeBytes,
    )
  }
  const hasher = createDigestHasher()
  for await (const piece of reader.stream(0, reader.sizeBytes)) hasher.update(piece)
  const actual = hasher.digest()
  if (expected !== null && expected.digest !== null && expected.digest !== actual) {
    throw digestMismatch('the upload does not match its digest', expected.digest, actual)
  }
  return actual
}

/** GITHUB-PROTOCOL §8.4: version 4 uploads of build records are not zips, whatever their version
 *  suggests. So an upload counts as a zip if it is declared as one and begins like one (or consists
 *  of an end record only). */
async function looksLikeZip(job: IngestJob, reader: StagedReader): Promise<boolean> {
  if (job.mimeType !== null && !isZipType(job.mimeType)) return false
  if (reader.sizeBytes < 4) return false
  const magic = (await reader.read(0, 4)).readUInt32LE(0)
  return magic === zipSignature.local || magic === zipSignature.end
}
