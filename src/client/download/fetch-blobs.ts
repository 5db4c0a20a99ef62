/** Fetches stored streams of an artifact over a few connections and hands them to the threads
 *  that write files. Streams arrive in storage order. Memory is bounded by the tasks in flight. */
import { closeSync, constants, openSync } from 'node:fs'
import pLimit from 'p-limit'
import {
  type FetchedHead,
  fetchedHeadBytesMax,
  readFetchedHead,
} from '../../core/bytes/blob-exchange.ts'
import { createByteReader } from '../../core/bytes/varint.ts'
import { inflateStream } from '../../packs/codec/codec.ts'
import { type BodyReader, readBody } from '../transport/body-reader.ts'
import { writeAt } from '../files/place-files.ts'
import type { Downloading } from './downloading.ts'
import { createFetchedWriter, filesPerTask, taskBytes } from './fetched-writer.ts'
import { connectionsFor } from '../transport/connections.ts'
import { openAnswer } from '../transport/http.ts'
import { note } from './findings.ts'
import type { PlaceSource } from './place-task.ts'
import { createRooms, type Rooms } from './rooms.ts'
import { requestsOf, streamsRequest, type Wants, type WantsRequest } from './wanted-streams.ts'

/** Where fetched content goes. */
export interface FetchTargets extends PlaceSource {
  /** Path of the existing file that is filled part by part; undefined for a file that a single
   *  stream makes whole.
   *  Errors: RangeError, when the entry was not asked for. */
  patchedPath(ordinal: number): string | undefined
}

/** A longer stream, stored or inflated, is not held in memory: some foreign streams have no
 *  bound. */
const heldBytesMax = 8 * 1024 * 1024

/** Resolves when all wants are written, including those that are still being planned. Errors:
 *  NetworkError, AnswerError, digest_mismatch, blob_damaged, the server's, and those
 *  of planning. */
export async function fetchBlobs(
  downloading: Downloading,
  wanted: readonly (Wants | Promise<Wants>)[],
  targets: FetchTargets,
): Promise<void> {
  const { server, pool, artifactId, tree } = downloading
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, downloading.signal])
  const connections = connectionsFor(pool.threads)
  const limit = pLimit(connections)
  // Shared by all connections, so that a fast one does not wait for the others.
  const rooms = createRooms(connections + 2 * pool.threads, taskBytes)
  const fetchOne = async (request: WantsRequest): Promise<void> => {
    signal.throwIfAborted()
    const wants = request()
    const asked = streamsRequest('fetch', { artifactId, signal }, wants)
    await readBody(server, await openAnswer(server, asked), async (body) => {
      await writeFetched(downloading, body, wants.length, { targets, rooms })
    })
  }
  /** A failure stops all requests, which then end one by one. */
  const stopping = async (work: Promise<void>): Promise<void> => {
    await work.catch((error: unknown) => stop.abort(error))
  }
  await Promise.all(
    wanted.map(async (wants) => {
      const fetches = async (): Promise<void> => {
        const requests = [...requestsOf(await wants, tree.sizeBytes, connections)]
        await Promise.all(requests.map(async (request) => await stopping(limit(fetchOne, request))))
      }
      await stopping(fetches())
    }),
  )
  downloading.signal.throwIfAborted()
  stop.signal.throwIfAborted()
}

async function writeFetched(
  { pool, tree, findings, progress, reportProgress }: Downloading,
  body: BodyReader,
  wanted: number,
  { targets, rooms }: { targets: FetchTargets; rooms: Rooms },
): Promise<void> {
  const writer = createFetchedWriter(pool, {
    rooms,
    taskFiles: filesPerTask(wanted),
    source: targets,
    onPlaced: (ordinal, stats) => note(findings, ordinal, tree, stats),
  })
  try {
    for (let head = await readHead(body); head !== undefined; head = await readHead(body)) {
      const { ordinal, offset, lengthBytes, sizeBytes } = head
      const patched = targets.patchedPath(ordinal)
      // Writing there would make a file of any length, which would then be read to its end.
      if (patched !== undefined && offset + sizeBytes > tree.sizeBytes(ordinal))
        throw new RangeError(`content beyond the end of entry ${ordinal}`)
      if (lengthBytes > heldBytesMax || sizeBytes > heldBytesMax)
        await receiveLong(body, head, patched)
      else await body.takeInto(await writer.add(head, patched))
      progress.fetchedBytes += lengthBytes
      progress.doneBytes += sizeBytes
      reportProgress()
    }
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

async function readHead(body: BodyReader): Promise<FetchedHead | undefined> {
  const reader = createByteReader(await body.peek(fetchedHeadBytesMax))
  const head = readFetchedHead(reader)
  await body.take(reader.position())
  return head
}

/** Receives a stream that is too long to hold, inflating it into the file, which already has its
 *  full length. */
async function receiveLong(
  body: BodyReader,
  head: FetchedHead,
  path: string | undefined,
): Promise<void> {
  if (path === undefined)
    throw new RangeError(`entry ${head.ordinal} has ${head.sizeBytes} bytes in one stream`)
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    let at = head.offset
    for await (const piece of inflateStream(
      head.codec,
      body.stream(head.lengthBytes),
      head.sizeBytes,
    )) {
      writeAt(descriptor, piece, at)
      at += piece.length
    }
  } finally {
    closeSync(descriptor)
  }
}
