/** The negotiated upload (api/negotiation.ts) from a browser: hashes everything, offers the
 *  tree, sends what is missing. Starting the same upload again finds its session and resumes it. */
import { limits } from '../../core/limits.ts'
import { batchesOf, slicesOf } from '../../core/slices.ts'
import type { ChosenFile } from './chosen-files.ts'
import { openWorkers, type Piece, type Workers } from './hashing.ts'
import {
  comparePaths,
  type Composite,
  createWriter,
  decodeOrdinals,
  encodeTimes,
  writeComposite,
} from './wire.ts'

export type UploadPhase = 'hashing' | 'asking' | 'sending' | 'finishing'

export interface UploadTarget {
  project: string
  run: number
  name: string
  overwrite: boolean
  /** Address of the worker script. */
  worker: string
}

export interface UploadListener {
  signal: AbortSignal
  onPhase(phase: UploadPhase): void
  /** Shares from 0 to 1. */
  onHashed(share: number): void
  onSent(share: number): void
}

interface HashedFile extends ChosenFile {
  digest: string
}

const root = '/api/v1/uploads'
/** Content bytes per request, and the number of concurrent requests. */
const requestBytes = 4 * 1024 * 1024
const requestsAtOnce = 3
/** A larger file is split over several requests; the server then verifies its digest from the
 *  parts at the end. */
const wholeFileBytesMax = 32 * 1024 * 1024

/** Uploads the files and returns the path of the artifact's page. Throws an `Error` with the
 *  message of the server. */
export async function uploadTree(
  target: UploadTarget,
  chosen: ChosenFile[],
  listener: UploadListener,
): Promise<string> {
  const workers = openWorkers(target.worker)
  listener.signal.addEventListener('abort', workers.close)
  try {
    listener.onPhase('hashing')
    const files = await hashAll(workers, chosen, listener)
    const { offer, manifest, timesPages } = await describe(workers, target, files)
    listener.onPhase('asking')
    const opened = (await post(root, JSON.stringify(offer), listener)) as Opened
    if (opened.state === 'done') return pageOf(opened.artifact)
    const upload = `${root}/${opened.id}`
    const address = `${upload}/manifest?tree=${offer.treeDigest}&entries=${files.length}`
    const missing =
      opened.needs === 'manifest'
        ? await postForOrdinals(address, await compressed(manifest, 'gzip'), listener)
        : []
    await sendTimes(upload, timesPages, files.length, listener)
    listener.onPhase('sending')
    await sendMissing(
      { upload, workers, listener },
      missing.map((ordinal) => files[ordinal]!),
    )
    listener.onPhase('finishing')
    listener.onSent(1)
    const committed = (await post(`${upload}/commit`, JSON.stringify(offer), listener)) as Committed
    return pageOf(committed.artifact)
  } finally {
    workers.close()
  }
}

interface WireArtifact {
  links: { html: string }
}
type Opened =
  | { state: 'done'; artifact: WireArtifact }
  | { state: 'open'; id: string; needs: 'manifest' | 'times' }
interface Committed {
  artifact: WireArtifact
}

function pageOf({ links }: WireArtifact): string {
  return new URL(links.html).pathname
}

async function hashAll(
  workers: Workers,
  chosen: ChosenFile[],
  { onHashed }: UploadListener,
): Promise<HashedFile[]> {
  const total = chosen.reduce((sum, { file }) => sum + file.size, 0)
  let done = 0
  const files = await Promise.all(
    chosen.map(async ({ path, file }) => {
      const digest = await workers.hash(file, (bytes) => {
        done += bytes
        onHashed(total === 0 ? 1 : done / total)
      })
      return { path, file, digest }
    }),
  )
  return files.sort((a, b) => comparePaths(a.path, b.path))
}

async function describe(workers: Workers, target: UploadTarget, files: HashedFile[]) {
  const lines = files.map(({ path, file, digest }) => `f 644 ${file.size} ${digest} ${path}\n`)
  const manifest = new TextEncoder().encode(`trove manifest 1\n${lines.join('')}`)
  const timesPages: Uint8Array<ArrayBuffer>[] = []
  for (const page of slicesOf(files, limits.manifestPageEntries)) {
    const times = page.map(({ file }) => Math.floor(file.lastModified / 1000))
    timesPages.push(await compressed(encodeTimes(times), 'deflate-raw'))
  }
  const { project, run, name, overwrite } = target
  const offer = {
    project,
    run,
    name,
    overwrite,
    treeDigest: await digestOf(workers, [manifest]),
    entryCount: files.length,
    fileCount: files.length,
    logicalBytes: files.reduce((sum, { file }) => sum + file.size, 0),
    timesDigest: await digestOf(workers, timesPages),
  }
  return { offer, manifest, timesPages }
}

async function digestOf(workers: Workers, pieces: Uint8Array<ArrayBuffer>[]): Promise<string> {
  return `sha256:${await workers.hash(new File(pieces, ''), () => undefined)}`
}

/** Uses the browser's built-in compression, so that the page need not load the workers' deflate
 *  code. */
async function compressed(
  bytes: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

async function sendTimes(
  upload: string,
  pages: Uint8Array[],
  entries: number,
  listener: UploadListener,
): Promise<void> {
  const out = createWriter()
  for (const page of pages) out.sized(page)
  await send(`${upload}/times?entries=${entries}`, out.bytes(), listener)
}

interface Sending {
  upload: string
  workers: Workers
  listener: UploadListener
}

/** The content of one request. */
interface Unit {
  pieces: Piece[]
  /** Whether the pieces are all parts of one large file. */
  isWhole: boolean
  bytes: number
}

async function sendMissing(sending: Sending, missing: HashedFile[]): Promise<void> {
  const { upload, workers, listener } = sending
  const distinct = [...new Map(missing.map((file) => [file.digest, file])).values()]
  const isLarge = ({ file }: HashedFile): boolean => file.size >= limits.chunkThresholdBytes
  const small = distinct.filter((file) => !isLarge(file)).map(pieceOf)
  const units = [...inUnits(small), ...(await planLarge(sending, distinct.filter(isLarge)))]
  const total = Math.max(
    1,
    units.reduce((sum, { bytes }) => sum + bytes, 0),
  )
  let sent = 0
  const queue = units.values()
  const sendNext = async (): Promise<void> => {
    // The concurrent loops share this iterator, so each unit is sent once.
    for (const { pieces, isWhole, bytes } of queue) {
      listener.signal.throwIfAborted()
      await send(`${upload}/packs`, await workers.encode(pieces, isWhole), listener)
      sent += bytes
      listener.onSent(sent / total)
    }
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, sendNext))
}

function pieceOf({ file, digest }: HashedFile): Piece {
  return { file, digest, start: 0, end: file.size, kind: 'blob' }
}

function inUnits(all: Piece[]): Unit[] {
  const bytesOf = ({ start, end }: Piece): number => end - start
  const batches = batchesOf(all, bytesOf, { count: 1000, bytes: requestBytes })
  return Array.from(batches, (pieces) => ({
    pieces,
    isWhole: false,
    bytes: pieces.reduce((sum, piece) => sum + bytesOf(piece), 0),
  }))
}

async function planLarge(
  { upload, workers, listener }: Sending,
  files: HashedFile[],
): Promise<Unit[]> {
  if (files.length === 0) return []
  const composites = await Promise.all(files.map(({ file, digest }) => workers.cut(file, digest)))
  const out = createWriter()
  for (const composite of composites) writeComposite(out, composite)
  const missing = new Set(await postForOrdinals(`${upload}/parts`, out.bytes(), listener))
  const units: Unit[] = []
  const loose: Piece[] = []
  const planned = new Set<string>()
  let ordinal = 0
  for (const [index, composite] of composites.entries()) {
    const pieces = partsOf(files[index]!.file, composite)
    const wanted = pieces.filter((_, part) => missing.has(ordinal + part))
    ordinal += pieces.length
    const [first] = pieces
    if (
      first !== undefined &&
      wanted.length === pieces.length &&
      composite.sizeBytes <= wholeFileBytesMax
    ) {
      first.kind = 'firstPart'
      units.push({ pieces, isWhole: true, bytes: composite.sizeBytes })
    } else {
      loose.push(...wanted.filter(({ digest }) => !planned.has(digest)))
    }
    for (const { digest } of wanted) planned.add(digest)
  }
  return [...units, ...inUnits(loose)]
}

function partsOf(file: File, { parts }: Composite): Piece[] {
  let start = 0
  return parts.map(({ digest, sizeBytes }) => {
    const piece: Piece = { file, digest, start, end: start + sizeBytes, kind: 'blob' }
    start += sizeBytes
    return piece
  })
}

async function post(path: string, json: string, listener: UploadListener): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  return (await (await send(path, json, listener, headers)).json()) as unknown
}

async function postForOrdinals(
  path: string,
  body: Uint8Array<ArrayBuffer>,
  listener: UploadListener,
): Promise<number[]> {
  const response = await send(path, body, listener)
  return decodeOrdinals(new Uint8Array(await response.arrayBuffer()))
}

async function send(
  path: string,
  body: BodyInit,
  { signal }: UploadListener,
  headers: Record<string, string> = { 'content-type': 'application/octet-stream' },
): Promise<Response> {
  const response = await fetch(path, { method: 'POST', body, headers, signal })
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as { detail?: string }
  throw new Error(problem.detail ?? `the server responded with ${response.status}`)
}
