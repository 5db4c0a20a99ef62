/** Fetches stored streams of an artifact through a few connections and hands them to the threads that write files.
 *  Streams come in the order in which they are stored. Memory is bounded by the tasks under way. */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import pLimit from 'p-limit'
import { wantsMediaType } from '../api/negotiation.ts'
import {
  encodeWants,
  type FetchedHead,
  fetchedHeadBytesMax,
  readFetchedHead,
  type Want,
} from '../core/blob-exchange.ts'
import { apiRoot } from '../api/paths.ts'
import { createByteReader } from '../core/varint.ts'
import { inflateStream } from '../packs/codec.ts'
import { type BodyReader, openBodyReader } from './body-reader.ts'
import type { FilePool } from './file-pool.ts'
import type { PatchTask, PlacedFile, PlaceTask } from './file-tasks.ts'
import { openResponse, type ServerAccess } from './http.ts'

/** Where the content of an entry goes. */
export type Receiver =
  /** A file that one stream makes whole. */
  | { kind: 'whole'; ordinal: number; digest: string; targets: PlacedFile['targets'] }
  /** A file that is there, filled part by part. */
  | { kind: 'parts'; path: string }

export interface FetchOptions {
  artifactId: number
  connections: number
  signal: AbortSignal
  receiverOf(ordinal: number): Receiver
  onFetched(fetched: { bytes: number; contentBytes: number }): void
  /** Told when the files of a task are written, with the stat columns of each target, in order. */
  onPlaced(files: readonly PlacedBatchFile[], stats: Float64Array): void
}

export interface PlacedBatchFile {
  ordinal: number
  targets: PlacedFile['targets']
}

/** Entries of one request: the server holds about a kilobyte for each while it answers. */
const wantsPerRequest = 2048
/** Stored bytes and files of one task. */
const taskBytes = 1024 * 1024
const taskFiles = 256
/** A stream that is longer, stored or inflated, is not held in memory: some foreign streams have no bound. */
const heldBytesMax = 8 * 1024 * 1024

/** Resolves when all wants are written. Errors: NetworkError, digest_mismatch, blob_damaged, the server's. */
export async function fetchBlobs(
  server: ServerAccess,
  pool: FilePool,
  wants: readonly Want[],
  options: FetchOptions,
): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, options.signal])
  const requests: Want[][] = []
  const size = Math.max(1, Math.min(wantsPerRequest, Math.ceil(wants.length / options.connections)))
  for (let first = 0; first < wants.length; first += size)
    requests.push(wants.slice(first, first + size))
  const limit = pLimit(options.connections)
  // Tasks of all connections together, so that one that is fast does not wait for the others.
  const tasks = pLimit(pool.threads * 2)
  const fetches = requests.map((request) =>
    limit(async () => {
      signal.throwIfAborted()
      try {
        await fetchSome(server, pool, request, { ...options, signal, tasks })
      } catch (error) {
        stop.abort(error)
        throw error
      }
    }),
  )
  await Promise.allSettled(fetches)
  options.signal.throwIfAborted()
  if (stop.signal.aborted) throw stop.signal.reason
}

type Tasks = ReturnType<typeof pLimit>

async function fetchSome(
  server: ServerAccess,
  pool: FilePool,
  wants: readonly Want[],
  options: FetchOptions & { tasks: Tasks },
): Promise<void> {
  const { artifactId, signal } = options
  const response = await openResponse(server, {
    method: 'POST',
    path: `${apiRoot}/blobs/fetch`,
    query: { artifact: artifactId },
    headers: { 'content-type': wantsMediaType },
    body: encodeWants(wants),
    repeatable: true,
    signal,
  })
  const body = openBodyReader(server, response)
  const writer = createTaskWriter(pool, options)
  try {
    for (let head = await readHead(body); head !== undefined; head = await readHead(body)) {
      const receiver = options.receiverOf(head.ordinal)
      if (head.lengthBytes > heldBytesMax || head.sizeBytes > heldBytesMax) {
        await receiveLong(body, head, receiver)
        options.onFetched({ bytes: head.lengthBytes, contentBytes: head.sizeBytes })
        continue
      }
      const stored = await body.take(head.lengthBytes)
      await writer.add(head, receiver, stored)
      options.onFetched({ bytes: head.lengthBytes, contentBytes: head.sizeBytes })
    }
    await writer.finish()
  } catch (error) {
    await body.cancel().catch(() => {})
    await writer.settle()
    throw error
  }
}

async function readHead(body: BodyReader): Promise<FetchedHead | undefined> {
  const reader = createByteReader(await body.peek(fetchedHeadBytesMax))
  const head = readFetchedHead(reader)
  await body.take(reader.position())
  return head
}

/** Gathers streams into tasks. A task's promise is awaited only when too many are under way, or at the end. */
function createTaskWriter(
  pool: FilePool,
  options: FetchOptions & { tasks: Tasks },
): {
  add(head: FetchedHead, receiver: Receiver, stored: Buffer): Promise<void>
  finish(): Promise<void>
  settle(): Promise<void>
} {
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let files: PlacedFile[] = []
  let batch: PlacedBatchFile[] = []
  let patch: { path: string; pieces: PatchTask['pieces'] } | undefined
  let stored: Buffer[] = []
  let storedBytes = 0

  const start = async (work: () => Promise<void>): Promise<void> => {
    if (failure !== undefined) throw failure.error
    const task = options.tasks(work).catch((error: unknown) => {
      failure ??= { error }
    })
    running.add(task)
    void task.then(() => running.delete(task))
    while (running.size > pool.threads * 2) await Promise.race(running)
  }
  const takeStored = (): Uint8Array => {
    const bytes = new Uint8Array(storedBytes)
    let at = 0
    for (const piece of stored) {
      bytes.set(piece, at)
      at += piece.length
    }
    stored = []
    storedBytes = 0
    return bytes
  }
  const flush = async (): Promise<void> => {
    if (patch !== undefined) {
      const task: PatchTask = { kind: 'patch', ...patch, stored: takeStored() }
      patch = undefined
      await start(async () => {
        await pool.run(task, [task.stored.buffer as ArrayBuffer])
      })
    } else if (files.length > 0) {
      const task: PlaceTask = { kind: 'place', files, stored: takeStored() }
      const placed = batch
      files = []
      batch = []
      await start(async () => {
        const { stats } = await pool.run(task, [task.stored.buffer as ArrayBuffer])
        options.onPlaced(placed, stats)
      })
    }
  }

  return {
    add: async (head, receiver, bytes) => {
      if (receiver.kind === 'parts') {
        if (patch?.path !== receiver.path) {
          await flush()
          patch = { path: receiver.path, pieces: [] }
        }
        const { offset, sizeBytes, codec, lengthBytes } = head
        patch.pieces.push({ offset, sizeBytes, codec, lengthBytes })
      } else {
        if (patch !== undefined) await flush()
        const { digest, targets, ordinal } = receiver
        files.push({
          targets,
          digest,
          sizeBytes: head.sizeBytes,
          codec: head.codec,
          lengthBytes: head.lengthBytes,
        })
        batch.push({ ordinal, targets })
      }
      stored.push(bytes)
      storedBytes += bytes.length
      if (storedBytes >= taskBytes || files.length >= taskFiles) await flush()
    },
    finish: async () => {
      await flush()
      await Promise.all(running)
      if (failure !== undefined) throw failure.error
    },
    settle: async () => {
      await Promise.all(running)
    },
  }
}

/** A stream too long to hold: inflated on the way into the file, which was made with its full length. */
async function receiveLong(body: BodyReader, head: FetchedHead, receiver: Receiver): Promise<void> {
  if (receiver.kind !== 'parts')
    throw new RangeError(`entry ${head.ordinal} has ${head.sizeBytes} bytes in one stream`)
  const descriptor = openSync(receiver.path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    let at = head.offset
    for await (const piece of inflateStream(
      head.codec,
      body.stream(head.lengthBytes),
      head.sizeBytes,
    )) {
      for (let done = 0; done < piece.length;)
        done += writeSync(descriptor, piece, done, piece.length - done, at + done)
      at += piece.length
    }
  } finally {
    closeSync(descriptor)
  }
}
