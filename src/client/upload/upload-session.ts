/** The requests of an upload session (api/negotiation.ts) and the encoding of their bodies. */
import { promisify } from 'node:util'
import { pipeline, Readable } from 'node:stream'
import { constants, createBrotliCompress, gzip } from 'node:zlib'
import {
  changesMediaType,
  manifestMediaType,
  packMediaType,
  partsMediaType,
  timesMediaType,
} from '../../api/negotiation.ts'
import type {
  CommitAnswer,
  Offer,
  OfferAnswer,
  ReceivedBlobs,
} from '../../api/negotiation-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { decodeOrdinals, listBytesMax, writeComposite } from '../../core/bytes/blob-exchange.ts'
import type { Composite } from '../../core/bytes/copy.ts'
import { digestBytes, formatWireDigest } from '../../core/bytes/digest.ts'
import { hasCode } from '../../core/errors.ts'
import { manifestHeader } from '../../core/manifest/manifest.ts'
import { changesHeader } from '../../core/manifest/manifest-changes.ts'
import { createByteWriter } from '../../core/bytes/varint.ts'
import { type ApiRequest, requestBytes, requestJson, type ServerAccess } from '../transport/http.ts'
import { decoded } from '../transport/foreign-answer.ts'
import { NetworkError } from '../transport/network-error.ts'
import type { HashedTree } from './hashed-tree.ts'
import type { SourceChanges } from './source-changes.ts'

type Open = Extract<OfferAnswer, { state: 'open' }>

export interface UploadSession {
  readonly server: ServerAccess
  /** URL path of the session; its steps are below it. */
  readonly path: string
  readonly offer: Offer
  /** What the server still needs to know about the tree. */
  readonly needs: Open['needs']
  readonly signal: AbortSignal
  /** Called with the number of request-body bytes sent. */
  readonly onSent: (bytes: number) => void
}

/** Starts a session, or resumes the open session of the same upload; returns the artifact when
 *  the project already has the tree. */
export async function offerTree(
  server: ServerAccess,
  offer: Offer,
  how: Pick<UploadSession, 'signal' | 'onSent'>,
): Promise<Exclude<OfferAnswer, Open> | { state: 'open'; session: UploadSession }> {
  const { signal } = how
  const request = { path: `${apiRoot}/uploads`, json: offer, repeatable: true, signal }
  const answer = await requestJson<OfferAnswer>(server, { method: 'POST', ...request }, ['state'])
  if (answer.state === 'done') return answer
  const { id, needs } = answer
  return {
    state: 'open',
    session: { server, path: `${apiRoot}/uploads/${id}`, offer, needs, ...how },
  }
}

const gzipped = promisify(gzip)

/** Digests do not compress, but files that occur several times have the same ones: of a tree of
 *  105,636 entries a window of 4 MiB leaves 3.1 MB (16 MiB: 2.6 MB, for 20 MB more memory), gzip
 *  3.97 MB. Brotli searches far back only when it expects a long text, hence the size hint. */
function brotliParams(entryCount: number): Record<number, number> {
  return {
    [constants.BROTLI_PARAM_QUALITY]: 4,
    [constants.BROTLI_PARAM_LGWIN]: 22,
    [constants.BROTLI_PARAM_SIZE_HINT]: entryCount * usualLineBytes,
  }
}

const usualLineBytes = 128

/** Sends the manifest; returns the ordinals of entries whose content must be sent. */
export async function offerManifest(session: UploadSession, tree: HashedTree): Promise<number[]> {
  const body = (): AsyncIterable<Uint8Array> => {
    const brotli = createBrotliCompress({
      params: brotliParams(tree.source.count),
      chunkSize: 128 * 1024,
    })
    // The reader of `brotli` handles its failure.
    pipeline(Readable.from(manifestText(tree), { objectMode: false }), brotli, () => {})
    return counted(brotli as AsyncIterable<Uint8Array>, session)
  }
  const { treeDigest, entryCount } = session.offer
  const missing = await post(session, 'manifest', {
    query: { tree: treeDigest, entries: entryCount },
    headers: { 'content-type': manifestMediaType, 'content-encoding': 'br' },
    body,
  })
  return await ordinalsIn(session, missing, entryCount)
}

/** Like `offerManifest`, but sends only the changes from a tree that the project has. Errors:
 *  not_found, when it no longer has it. */
export async function offerChanges(
  session: UploadSession,
  { base, text, ordinals }: SourceChanges,
): Promise<number[]> {
  const { treeDigest, entryCount } = session.offer
  const missing = await post(session, 'manifest', {
    query: { tree: treeDigest, entries: entryCount, base: formatWireDigest(base) },
    headers: { 'content-type': changesMediaType, 'content-encoding': 'gzip' },
    body: await gzipped(changesHeader + text, { level: constants.Z_BEST_SPEED }),
  })
  const indexes = await ordinalsIn(session, missing, ordinals.length)
  return indexes.map((index) => ordinals[index]!)
}

function* manifestText(tree: HashedTree): Generator<Buffer> {
  yield Buffer.from(manifestHeader)
  yield* tree.text()
}

/** Sends the modification times of all entries, encoded as one buffer per page. */
export async function offerTimes(session: UploadSession, pages: readonly Buffer[]): Promise<void> {
  const out = createByteWriter()
  for (const page of pages) out.sized(page)
  await post(session, 'times', {
    query: { entries: session.offer.entryCount },
    headers: { 'content-type': timesMediaType },
    body: out.bytes(),
  })
}

/** Upper bound on the bytes that a composite takes in a list besides its parts. */
const compositeHeadBytes = 64
/** Upper bound on the parts of one file that can be listed. */
export const partsMax: number = (listBytesMax - compositeHeadBytes) / digestBytes

/** Returns for each file which of its parts must be sent. */
export async function offerParts(
  session: UploadSession,
  files: readonly Composite[],
): Promise<Set<number>[]> {
  const answers: Set<number>[] = []
  let out = createByteWriter()
  let batch: Composite[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return
    const headers = { 'content-type': partsMediaType }
    const answer = await post(session, 'parts', { headers, body: out.bytes() })
    const listed = batch.reduce((sum, { parts }) => sum + parts.length, 0)
    const missing = await ordinalsIn(session, answer, listed)
    let at = 0
    let first = 0
    for (const { parts } of batch) {
      const own = new Set<number>()
      const end = first + parts.length
      while (at < missing.length && missing[at]! < end) own.add(missing[at++]! - first)
      answers.push(own)
      first = end
    }
    out = createByteWriter()
    batch = []
    bytes = 0
  }
  for (const file of files) {
    const own = compositeHeadBytes + digestBytes * file.parts.length
    if (bytes + own > listBytesMax / 2) await flush()
    writeComposite(out, file)
    batch.push(file)
    bytes += own
  }
  await flush()
  return answers
}

/** Sends records of blobs; resolves when the server has stored them durably. */
export async function sendPack(
  session: UploadSession,
  records: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  const request = stepOf(session, 'packs', {
    headers: { 'content-type': packMediaType },
    body: () => counted(records(), session),
    repeatable: false,
  })
  await requestJson<ReceivedBlobs>(session.server, request, ['blobs'])
}

/** Errors: upload_incomplete, name_taken, and those of `requestJson`. */
export async function commit(session: UploadSession): Promise<CommitAnswer> {
  const request = stepOf(session, 'commit', { json: session.offer })
  return await requestJson(session.server, request, ['artifact', 'created'])
}

/** Whether a retry of the same upload can succeed after this error. */
export function isPassing(error: unknown): boolean {
  if (error instanceof NetworkError || hasCode(error, 'busy', 'shutting_down')) return true
  return hasCode(error, 'session_ended', 'upload_incomplete', 'incomplete_body', 'idle_timeout')
}

/** Decodes which of `count` things are missing. Errors: AnswerError. */
async function ordinalsIn(
  { server }: UploadSession,
  bytes: Buffer,
  count: number,
): Promise<number[]> {
  return await decoded(server, () => {
    const ordinals = decodeOrdinals(bytes)
    const last = ordinals.at(-1) ?? -1
    if (last >= count) throw new RangeError(`number ${last} of a list of ${count}`)
    return ordinals
  })
}

async function post(
  session: UploadSession,
  step: 'manifest' | 'times' | 'parts',
  request: Pick<ApiRequest, 'query' | 'headers' | 'body'>,
): Promise<Buffer> {
  if (request.body instanceof Uint8Array) session.onSent(request.body.length)
  return await requestBytes(session.server, stepOf(session, step, request))
}

function stepOf(
  { path, signal }: UploadSession,
  step: string,
  request: Omit<ApiRequest, 'path'>,
): ApiRequest {
  return { method: 'POST', path: `${path}/${step}`, repeatable: true, signal, ...request }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  { onSent }: UploadSession,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece
    onSent(piece.length)
  }
}
