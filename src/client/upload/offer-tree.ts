/** What a tree is offered by: its manifest, and the modification times of its entries. */
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { constants, createBrotliCompress, gzip } from 'node:zlib'
import { changesMediaType, manifestMediaType, timesMediaType } from '../../api/negotiation.ts'
import { decodeOrdinals } from '../../core/blob-exchange.ts'
import { formatWireDigest } from '../../core/digest.ts'
import { manifestHeader } from '../../core/manifest.ts'
import { changesHeader } from '../../core/manifest-changes.ts'
import { createByteWriter } from '../../core/varint.ts'
import type { HashedTree } from './hashed-tree.ts'
import { requestBytes } from '../transport/http.ts'
import type { SendProgress, Sending } from './sending.ts'
import type { SourceChanges } from './source-changes.ts'

const gzipped = promisify(gzip)

/** Digests do not compress, but files that occur several times have the same ones: of a tree of 105,636 entries 3.1 MB are
 *  left with a window of 4 MiB (16 MiB: 2.6, for 20 MB more memory), where gzip leaves 3.97. Brotli looks for what is far
 *  behind only when it expects a long text. */
function brotliParams(entryCount: number): Record<number, number> {
  return {
    [constants.BROTLI_PARAM_QUALITY]: 4,
    [constants.BROTLI_PARAM_LGWIN]: 22,
    [constants.BROTLI_PARAM_SIZE_HINT]: entryCount * usualLineBytes,
  }
}

const usualLineBytes = 128

/** Answers the ordinals of entries that must be sent. */
export async function offerManifest(sending: Sending, uploadPath: string): Promise<number[]> {
  const { server, tree, progress, signal } = sending
  const body = (): AsyncIterable<Uint8Array> => {
    const brotli = createBrotliCompress({
      params: brotliParams(tree.source.count),
      chunkSize: 128 * 1024,
    })
    Readable.from(manifestText(tree), { objectMode: false }).pipe(brotli)
    return counted(brotli as AsyncIterable<Uint8Array>, progress)
  }
  const query = { tree: sending.offer.treeDigest, entries: sending.offer.entryCount }
  const headers = { 'content-type': manifestMediaType, 'content-encoding': 'br' }
  return decodeOrdinals(
    await requestBytes(server, {
      method: 'POST',
      path: `${uploadPath}/manifest`,
      query,
      headers,
      body,
      repeatable: true,
      signal,
    }),
  )
}

/** The same by what makes the tree of one that the project has. Errors: not_found, when it has it no more. */
export async function offerChanges(
  sending: Sending,
  uploadPath: string,
  { base, text, ordinals }: SourceChanges,
): Promise<number[]> {
  const { server, progress, signal } = sending
  const body = await gzipped(changesHeader + text, { level: constants.Z_BEST_SPEED })
  progress.sentBytes += body.length
  const { treeDigest, entryCount } = sending.offer
  const missing = await requestBytes(server, {
    method: 'POST',
    path: `${uploadPath}/manifest`,
    query: { tree: treeDigest, entries: entryCount, base: formatWireDigest(base) },
    headers: { 'content-type': changesMediaType, 'content-encoding': 'gzip' },
    body,
    repeatable: true,
    signal,
  })
  return decodeOrdinals(missing).map((index) => ordinals[index]!)
}

function* manifestText(tree: HashedTree): Generator<Buffer> {
  yield Buffer.from(manifestHeader)
  yield* tree.text()
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  progress: SendProgress,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    progress.sentBytes += piece.length
    yield piece
  }
}

export async function offerTimes(sending: Sending, uploadPath: string): Promise<void> {
  const { server, tree, progress, signal } = sending
  const out = createByteWriter()
  for (const page of tree.timesPages) out.sized(page)
  const body = out.bytes()
  progress.sentBytes += body.length
  await requestBytes(server, {
    method: 'POST',
    path: `${uploadPath}/times`,
    query: { entries: sending.offer.entryCount },
    headers: { 'content-type': timesMediaType },
    body,
    repeatable: true,
    signal,
  })
}
