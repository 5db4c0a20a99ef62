/** Ingests an uploaded zip: takes it apart so that it can be reproduced byte for byte, or keeps it
 *  whole when that is not safe. */
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Published } from '../../metadata/metadata.ts'
import { publishFile, publishUpload } from '../publish.ts'
import { type IngestSession, restartSession } from '../session.ts'
import type { StagedReader } from '../staging/staged-reader.ts'
import { readZipDirectory } from './zip-directory.ts'
import { ZipOpaque } from './zip-opaque.ts'
import { ingestMembers } from './zip-members.ts'
import { stageSkeleton } from './zip-skeleton.ts'

/** Errors: bad_archive for a truncated zip, too_large, and those of `publish`. */
export async function ingestZip(session: IngestSession, reader: StagedReader): Promise<Published> {
  try {
    return await unpack(session, reader)
  } catch (error) {
    const reason = opaqueReason(error)
    if (reason === undefined) throw error
    await restartSession(session)
    return await storeWhole(session, reader, reason)
  }
}

/** Returns why a zip must be kept whole, or undefined. Unsafe paths make a zip opaque instead of
 *  failing: its sender wants the zip back, not its entries. */
function opaqueReason(error: unknown): string | undefined {
  if (error instanceof ZipOpaque) return error.message
  if (hasCode(error, 'unsafe_path')) {
    return `path ${JSON.stringify(error.details.path)}: ${error.details.reason}`
  }
  if (hasCode(error, 'duplicate_path')) {
    return `path ${JSON.stringify(error.details.path)} occurs twice`
  }
  return undefined
}

async function unpack(session: IngestSession, reader: StagedReader): Promise<Published> {
  const { job, settings, writer, table, signal } = session
  const directory = await readZipDirectory(reader, settings)
  // Only stock uploads may be rebuilt; a zip sent by PUT must come back as it was (API §2 *Zips*).
  const rebuild = settings.stockZips === 'rebuild' && job.uploadId !== null
  const streams = await ingestMembers(reader, directory, {
    writer,
    table,
    store: rebuild ? { as: 'contents', level: settings.compressionLevel } : { as: 'streams' },
    signal,
  })
  const stageContent = async (): Promise<void> => {
    await stageSkeleton(reader, directory, streams, {
      metadata: session.metadata,
      sessionId: session.id,
    })
    await session.checkpoint?.('skeleton-staged')
  }
  return await publishUpload(session, {
    kind: rebuild ? 'tree' : 'exact',
    mimeType: 'application/zip',
    fileName: null,
    opaqueReason: null,
    zipDigest: rebuild ? 'rebuilt' : session.bodyDigest,
    zipBytes: rebuild ? null : reader.sizeBytes,
    ...(!rebuild && { stageContent }),
  })
}

/** Each artifact of a list has its reason, which names a path. */
const reasonCharactersMax = 500

async function storeWhole(
  session: IngestSession,
  reader: StagedReader,
  reason: string,
): Promise<Published> {
  return await publishFile(session, reader.stream(0, reader.sizeBytes), {
    kind: 'opaque',
    level: 0,
    mimeType: 'application/zip',
    fileName: withZipEnding(session.job.fileName),
    opaqueReason: reason.slice(0, reasonCharactersMax),
    zipDigest: session.bodyDigest,
    zipBytes: reader.sizeBytes,
  })
}

const zipEnding = '.zip'

/** Appends `.zip`. When the result would be longer than a name may be, truncates the name at a
 *  character boundary first: the artifact keeps its full name, and only opaque zips are
 *  affected. */
function withZipEnding(fileName: string): string {
  if (fileName.toLowerCase().endsWith(zipEnding)) return fileName
  const nameStart = fileName.lastIndexOf('/') + 1
  const room = new Uint8Array(limits.segmentBytesMax - zipEnding.length)
  const { read } = new TextEncoder().encodeInto(fileName.slice(nameStart), room)
  return fileName.slice(0, nameStart + read) + zipEnding
}
