/** What a client offers, against what its project can read: the answer is what must be sent, and everything else is
 *  leased in the same statement (invariants 2 and 10). */
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { encodeOrdinals } from '../../core/blob-exchange.ts'
import type { Digest } from '../../core/digest.ts'
import { storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import {
  createManifestHasher,
  createTreeCheck,
  manifestHeader,
  parseEntry,
} from '../../core/manifest.ts'
import { byteBudget } from '../byte-budget.ts'
import type { IngestPorts } from '../session.ts'
import type { ManifestEncoding } from './job.ts'
import {
  encodeOfferedPage,
  keepSummary,
  offeredPageEntries,
  readOfferedPages,
} from './offered-entries.ts'

/** Keeps the manifest with the session and answers the ordinals of files that are missing.
 *  Errors: invalid_request, unsafe_path, duplicate_path, too_large, digest_mismatch. */
export async function receiveManifest(
  ports: IngestPorts,
  job: { sessionId: string; treeDigest: Digest; entryCount: number; encoding: ManifestEncoding },
  body: Readable,
): Promise<Uint8Array> {
  const { metadata, settings } = ports
  const { sessionId } = job
  if (job.entryCount > settings.entriesMax) throw tooManyEntries(settings.entriesMax)
  await metadata.dropOffered(sessionId, 'summary', 0)
  const hasher = createManifestHasher()
  const order = createTreeCheck()
  const claims = createClaims(ports, sessionId)
  let pages = 0
  let pending: string[] = []
  let ordinal = 0
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return
    await metadata.stageOffered(
      sessionId,
      'entries',
      pages,
      encodeOfferedPage(`${pending.join('\n')}\n`),
    )
    pages += 1
    pending = []
  }
  for await (const line of linesOf(body, job.encoding)) {
    if (ordinal >= job.entryCount) throw faulty('it has more entries than were announced')
    const entry = parseEntry(line)
    order(entry)
    hasher.add(entry, line)
    if (entry.kind === 'file') await claims.add(ordinal, entry)
    ordinal += 1
    pending.push(line)
    if (pending.length >= offeredPageEntries) await flush()
  }
  await flush()
  await metadata.dropOffered(sessionId, 'entries', pages)
  const summary = hasher.summary()
  const { treeDigest, logicalBytes } = summary
  if (treeDigest !== job.treeDigest) {
    throw storeError(
      'digest_mismatch',
      `the manifest does not have the offered digest: expected ${job.treeDigest}, got ${treeDigest}`,
      {
        expected: job.treeDigest,
        actual: treeDigest,
      },
    )
  }
  if (logicalBytes > settings.artifactBytesMax) throw tooLarge(settings.artifactBytesMax)
  await keepSummary(metadata, sessionId, summary)
  return encodeOrdinals(await claims.missing())
}

/** The same answer once the manifest is known. Errors: upload_incomplete. */
export async function findMissing(
  ports: IngestPorts,
  { sessionId }: { sessionId: string },
): Promise<Uint8Array> {
  return encodeOrdinals(await claimOffered(ports, sessionId))
}

/** Leases every file's blob that can be read; answers the ordinals of the others. Errors: length_mismatch. */
export async function claimOffered(ports: IngestPorts, sessionId: string): Promise<number[]> {
  const claims = createClaims(ports, sessionId)
  let ordinal = 0
  for await (const { entries } of readOfferedPages(ports.metadata, sessionId)) {
    for (const entry of entries) {
      if (entry.kind === 'file') await claims.add(ordinal, entry)
      ordinal += 1
    }
  }
  return await claims.missing()
}

interface Claims {
  add(ordinal: number, file: { digest: Digest; sizeBytes: number; path: string }): Promise<void>
  /** Ordinals whose blobs the project cannot read and the session has not sent. */
  missing(): Promise<number[]>
}

/** Claims blobs in batches. Errors: length_mismatch, when a file is not as long as the blob of its digest. */
function createClaims({ metadata }: Pick<IngestPorts, 'metadata'>, sessionId: string): Claims {
  const missing: number[] = []
  let batch: { ordinal: number; file: { digest: Digest; sizeBytes: number; path: string } }[] = []
  const flush = async (): Promise<void> => {
    const asked = batch
    batch = []
    const digests = [...new Set(asked.map(({ file }) => file.digest))]
    const known = new Map<Digest, number>()
    for (const blob of await metadata.claimReadableBlobs(sessionId, digests))
      known.set(blob.digest, blob.sizeBytes)
    for (const { ordinal, file } of asked) {
      const sizeBytes = known.get(file.digest)
      if (sizeBytes === undefined) missing.push(ordinal)
      else if (sizeBytes !== file.sizeBytes) throw wrongLength(file, sizeBytes)
    }
  }
  return {
    add: async (ordinal, file) => {
      batch.push({ ordinal, file })
      if (batch.length >= limits.transactionRowsMax) await flush()
    },
    missing: async () => {
      if (batch.length > 0) await flush()
      return missing
    },
  }
}

function wrongLength(file: { path: string; sizeBytes: number }, actualBytes: number): Error {
  return storeError(
    'length_mismatch',
    `${file.path} is said to have ${file.sizeBytes} bytes, its digest has ${actualBytes}`,
    {
      expectedBytes: actualBytes,
      actualBytes: file.sizeBytes,
    },
  )
}

/** Lines after the header, without their line feeds. */
async function* linesOf(
  body: Readable,
  encoding: ManifestEncoding,
): AsyncGenerator<string, void, undefined> {
  const create = encoding === 'br' ? createBrotliDecompress : createGunzip
  const inflate = create({ chunkSize: 256 * 1024 })
  const feeding = pipeline(body, inflate)
  // A failure reaches the reader below through `inflate`.
  feeding.catch(() => {})
  const textBytesMax = limits.entriesMax * (limits.pathBytesMax / 4)
  let pending = ''
  let isHead = true
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const piece of byteBudget(textBytesMax)(inflate as AsyncIterable<Uint8Array>)) {
      const lines = (pending + decoder.decode(piece, { stream: true })).split('\n')
      pending = lines.pop() ?? ''
      if (pending.length > 3 * limits.pathBytesMax) throw faulty('it has a line without an end')
      for (const line of lines) {
        if (isHead && `${line}\n` !== manifestHeader)
          throw faulty('it does not begin as a manifest does')
        if (!isHead) yield line
        isHead = false
      }
    }
  } catch (error) {
    throw asFault(error)
  }
  if (isHead || pending !== '') throw faulty('it is cut short')
}

/** What zlib, Brotli (`ERR__ERROR_…`) and the decoder say of bytes that are not compressed UTF-8. */
function asFault(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const isFault = /^(?:Z_|ERR__ERROR_)/u.test(code) || code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
  if (isFault) {
    return faulty(`it is no compressed UTF-8 text (${(error as Error).message})`)
  }
  return error
}

function faulty(reason: string): Error {
  return storeError('invalid_request', `the manifest is refused: ${reason}`, { field: 'manifest' })
}

function tooManyEntries(entriesMax: number): Error {
  return storeError('too_large', `the artifact has more than ${entriesMax} entries`, {
    limit: 'entries of one artifact',
    limitValue: entriesMax,
    setting: 'TROVE_MAX_ENTRIES',
  })
}

function tooLarge(bytesMax: number): Error {
  return storeError('too_large', `the upload holds more than ${bytesMax} bytes`, {
    limit: 'logical bytes of one artifact',
    limitValue: bytesMax,
    setting: 'TROVE_MAX_ARTIFACT',
  })
}
