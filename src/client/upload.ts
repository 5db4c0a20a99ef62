/** The negotiated upload, from the client's side (api/negotiation.ts):
 *
 *    1. walk and hash, in parallel; files that the stat cache knows are only looked at;
 *    2. offer the tree's digest: when the project knows it, that was all;
 *    3. offer the manifest; cut the large files of what is missing, and offer their parts;
 *    4. deflate and send what is missing, in parallel;
 *    5. commit.
 *  A network that fails costs what was on its way: the missing set is asked for again. A process that dies costs no more,
 *  because the same upload finds its session. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import { Readable } from 'node:stream'
import {
  commitAnswerSchema,
  manifestMediaType,
  offerAnswerSchema,
  type Offer,
  partsMediaType,
  timesMediaType,
} from '../api/negotiation.ts'
import { decodeOrdinals, listBytesMax, writeComposite } from '../core/blob-exchange.ts'
import type { WireArtifact } from '../api/messages.ts'
import { apiRoot } from '../api/paths.ts'
import { type Digest, digestFromBytes, formatWireDigest } from '../core/digest.ts'
import { hasCode } from '../core/errors.ts'
import { formatEntry, manifestHeader } from '../core/manifest.ts'
import { createByteWriter } from '../core/varint.ts'
import type { FilePool } from './file-pool.ts'
import type { HashedTree } from './hashed-tree.ts'
import { NetworkError, requestBytes, requestJson, type ServerAccess } from './http.ts'
import { sendBlobs } from './send-blobs.ts'
import { type CutFile, planLarge, planSmall, type SendUnit, splitMissing } from './upload-plan.ts'

/** Who uploads, and as what; what is absent the token says, or the server's defaults. */
export type UploadTarget = Pick<
  Offer,
  | 'project'
  | 'run'
  | 'attempt'
  | 'job'
  | 'name'
  | 'retentionDays'
  | 'overwrite'
  | 'branch'
  | 'sha'
  | 'workflow'
  | 'event'
>

export interface SendProgress {
  /** Content bytes of files that need not be sent, or have been. */
  doneBytes: number
  totalBytes: number
  /** Bytes of request bodies. */
  sentBytes: number
}

export interface SentTree {
  artifact: WireArtifact
  /** False when the same job had sent the same tree under this name before. */
  created: boolean
  sentBytes: number
  /** Content bytes that the server had, or that came more than once in the tree. */
  reusedBytes: number
}

export interface SendTreeOptions {
  level: number
  connections: number
  signal: AbortSignal
  onProgress(progress: SendProgress): void
  /** Told when everything is sent and the server makes the artifact. */
  onFinishing(): void
}

interface Sending extends SendTreeOptions {
  server: ServerAccess
  pool: FilePool
  tree: HashedTree
  offer: Offer
  progress: SendProgress
  /** Content bytes that had to be sent. */
  missingBytes: number
}

const networkTriesMax = 6
const firstPauseMs = 300

/** Uploads a hashed tree. Errors: FileError, NetworkError, and the server's codes: name_taken, too_large, storage_full… */
export async function sendTree(
  server: ServerAccess,
  pool: FilePool,
  tree: HashedTree,
  target: UploadTarget,
  options: SendTreeOptions,
): Promise<SentTree> {
  const { treeDigest, entryCount, fileCount, logicalBytes } = tree.summary
  const sending: Sending = {
    ...options,
    server,
    pool,
    tree,
    offer: {
      ...target,
      treeDigest: formatWireDigest(treeDigest),
      entryCount,
      fileCount,
      logicalBytes,
      timesDigest: formatWireDigest(tree.timesDigest),
    },
    progress: { doneBytes: 0, totalBytes: logicalBytes, sentBytes: 0 },
    missingBytes: 0,
  }
  for (let failures = 0; ;) {
    const before = sending.progress.sentBytes
    try {
      const { artifact, created } = await negotiate(sending)
      const { sentBytes } = sending.progress
      return {
        artifact,
        created,
        sentBytes,
        reusedBytes: Math.max(0, logicalBytes - sending.missingBytes),
      }
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isPassing(error)) throw error
      failures = sending.progress.sentBytes > before + significantBytes ? 1 : failures + 1
      if (failures >= networkTriesMax) throw error
      await sleep(firstPauseMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2), undefined, {
        signal: options.signal,
      })
    }
  }
}

/** So much gets through only while a network works. */
const significantBytes = 256 * 1024

/** What the same upload, begun again, may well get over. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof NetworkError ||
    hasCode(error, 'session_ended') ||
    hasCode(error, 'upload_incomplete') ||
    hasCode(error, 'incomplete_body') ||
    hasCode(error, 'idle_timeout') ||
    hasCode(error, 'busy') ||
    hasCode(error, 'shutting_down')
  )
}

async function negotiate(sending: Sending): Promise<{ artifact: WireArtifact; created: boolean }> {
  const { server, offer, tree, signal } = sending
  const offering = requestJson(
    server,
    { method: 'POST', path: `${apiRoot}/uploads`, json: offer, repeatable: true, signal },
    offerAnswerSchema,
  )
  // Written while the server thinks.
  tree.saveStatCache()
  const answer = await offering
  if (answer.state === 'done') {
    sending.onProgress({ ...sending.progress, doneBytes: sending.progress.totalBytes })
    return answer
  }
  const uploadPath = `${apiRoot}/uploads/${answer.id}`
  if (answer.needs === 'times') await offerTimes(sending, uploadPath)
  else await sendContent(sending, uploadPath)
  sending.onFinishing()
  return await requestJson(
    server,
    { method: 'POST', path: `${uploadPath}/commit`, json: offer, repeatable: true, signal },
    commitAnswerSchema,
  )
}

async function sendContent(sending: Sending, uploadPath: string): Promise<void> {
  const { tree, progress } = sending
  const [missing] = await Promise.all([
    offerManifest(sending, uploadPath),
    offerTimes(sending, uploadPath),
  ])
  const { small, large } = splitMissing(tree, missing)
  const missingBytes = [...small, ...large].reduce(
    (sum, ordinal) => sum + tree.sizeBytes(ordinal),
    0,
  )
  sending.missingBytes = Math.max(sending.missingBytes, missingBytes)
  progress.doneBytes = progress.totalBytes - missingBytes
  sending.onProgress(progress)
  // Small files are on their way while large ones are cut.
  await sendUnits(sending, uploadPath, planSmall(tree, small, sending.level))
  await sendLarge(sending, uploadPath, large)
}

async function sendUnits(
  sending: Sending,
  uploadPath: string,
  units: Iterable<SendUnit>,
): Promise<void> {
  const { server, pool, progress, connections, signal } = sending
  await sendBlobs(server, pool, units, {
    uploadPath,
    connections,
    signal,
    onSent: ({ bytes, contentBytes }) => {
      progress.sentBytes += bytes
      progress.doneBytes += contentBytes
      sending.onProgress(progress)
    },
  })
}

async function offerManifest(sending: Sending, uploadPath: string): Promise<number[]> {
  const { server, tree, progress, signal } = sending
  const body = (): AsyncIterable<Uint8Array> => {
    const gzip = createGzip({ level: 1, chunkSize: 128 * 1024 })
    Readable.from(manifestText(tree), { objectMode: false }).pipe(gzip)
    return counted(gzip as AsyncIterable<Uint8Array>, progress)
  }
  const query = { tree: sending.offer.treeDigest, entries: sending.offer.entryCount }
  const headers = { 'content-type': manifestMediaType }
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

function* manifestText(tree: HashedTree): Generator<Buffer> {
  let text = manifestHeader
  for (let ordinal = 0; ordinal < tree.source.count; ordinal++) {
    text += formatEntry(tree.entry(ordinal))
    if (text.length < 64 * 1024) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
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

async function offerTimes(sending: Sending, uploadPath: string): Promise<void> {
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

/** Large files in groups: while one is sent, the threads can cut the next. */
async function sendLarge(
  sending: Sending,
  uploadPath: string,
  ordinals: readonly number[],
): Promise<void> {
  const sent = new Set<Digest>()
  const groups = groupsOf(sending.tree, ordinals)
  let cutting = groups[0] === undefined ? undefined : cutFiles(sending, groups[0])
  for (let index = 0; cutting !== undefined; index++) {
    const files: CutFile[] = await cutting
    const next = groups[index + 1]
    cutting = next === undefined ? undefined : cutFiles(sending, next)
    cutting?.catch(() => {})
    const missing = await offerParts(sending, uploadPath, files)
    const units = files.map((file, at) => {
      const isMissing = (part: number): boolean => missing[at]!.has(part)
      const unit = planLarge(sending.tree, file, { isMissing, sent, level: sending.level })
      sending.progress.doneBytes += file.composite.sizeBytes - unit.contentBytes
      return unit
    })
    sending.onProgress(sending.progress)
    await sendUnits(sending, uploadPath, units)
  }
}

/** Content of one group, so that lists of parts stay small. */
const groupBytes = 512 * 1024 * 1024

function groupsOf(tree: HashedTree, ordinals: readonly number[]): number[][] {
  const groups: number[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const ordinal of ordinals) {
    if (bytes >= groupBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(ordinal)
    bytes += tree.sizeBytes(ordinal)
  }
  return groups
}

async function cutFiles({ pool, tree }: Sending, ordinals: readonly number[]): Promise<CutFile[]> {
  return await Promise.all(
    ordinals.map(async (ordinal) => {
      const { sizeBytes, crc32, sizes, digests, isCompressed } = await pool.run({
        kind: 'chunk',
        path: tree.source.sourceOf(ordinal),
      })
      const parts: Digest[] = []
      for (let at = 0; at < digests.length; at += 32)
        parts.push(digestFromBytes(digests.subarray(at, at + 32)))
      return {
        ordinal,
        composite: { digest: tree.digest(ordinal), sizeBytes, crc32, parts },
        sizes,
        isCompressed,
      }
    }),
  )
}

/** Which parts of each file are missing. */
async function offerParts(
  sending: Sending,
  uploadPath: string,
  files: readonly CutFile[],
): Promise<Set<number>[]> {
  const answers: Set<number>[] = []
  let out = createByteWriter()
  let batch: CutFile[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return
    const body = out.bytes()
    sending.progress.sentBytes += body.length
    const missing = decodeOrdinals(
      await requestBytes(sending.server, {
        method: 'POST',
        path: `${uploadPath}/parts`,
        headers: { 'content-type': partsMediaType },
        body,
        repeatable: true,
        signal: sending.signal,
      }),
    )
    let at = 0
    let first = 0
    for (const { composite } of batch) {
      const own = new Set<number>()
      const end = first + composite.parts.length
      while (at < missing.length && missing[at]! < end) own.add(missing[at++]! - first)
      answers.push(own)
      first = end
    }
    out = createByteWriter()
    batch = []
    bytes = 0
  }
  for (const file of files) {
    const own = 64 + 32 * file.composite.parts.length
    if (bytes + own > listBytesMax / 2) await flush()
    writeComposite(out, file.composite)
    batch.push(file)
    bytes += own
  }
  await flush()
  return answers
}
