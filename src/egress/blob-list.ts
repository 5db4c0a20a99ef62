/** The stored streams of one artifact's files, in storage order: the body of a delta download. Each
 *  stream follows a head that says where its content goes (api/negotiation.ts). */
import {
  type FetchedHead,
  fetchEnd,
  type ListedParts,
  type Want,
  writeFetchedHead,
  writeListedParts,
} from '../core/bytes/blob-exchange.ts'
import type { BlobPlacement, Copy } from '../core/bytes/copy.ts'
import { invalidRequest, tooLarge } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { slicesOf } from '../core/slices.ts'
import { nextTurn } from '../core/turn.ts'
import { createByteWriter } from '../core/bytes/varint.ts'
import type { Artifact, Metadata, StoredFile } from '../metadata/metadata.ts'
import { damageOf } from './damage.ts'
import { emit } from './emit.ts'
import type { Reader } from './reader.ts'
import type { Representation } from './representation.ts'
import { literal, partPages, type Segment, skipped, wholeCopy } from './segments.ts'

/** A wanted stream, and the range of its head in the concatenated heads. A large file has tens of
 *  thousands of heads of some ten bytes each; an object per head would take a hundred. */
interface Fetched {
  copy: Copy
  path: string
  headStart: number
  headEnd: number
}

const streamsMax = limits.fetchedStreamsMax
const batchSegments = 1000

/** Errors: invalid_request (an ordinal that is not a file), too_large, blob_damaged. */
export async function representBlobs(
  reader: Reader & { metadata: Pick<Metadata, 'readEntries'> },
  { id: artifactId, projectId }: Pick<Artifact, 'id' | 'projectId'>,
  wants: readonly Want[],
): Promise<Representation> {
  const fetched = createShelves()
  const damaged = new Set<string>()
  const headWriter = createByteWriter()
  let streamBytes = 0
  let count = 0
  for await (const { file, want } of filesOf(reader.metadata, artifactId, wants)) {
    for await (const { head, copy } of streamsOf(reader, file, want)) {
      const headStart = headWriter.position()
      writeFetchedHead(headWriter, head)
      fetched.add({ copy, path: file.path, headStart, headEnd: headWriter.position() })
      streamBytes += copy.lengthBytes
      count += 1
      if (copy.damaged && damaged.size < limits.damagedPathsMax) damaged.add(file.path)
    }
    if (count > streamsMax) throw tooMany()
  }
  const heads = headWriter.bytes()
  const end = literal(Buffer.from([fetchEnd]))
  const segmentsFrom = async function* (start: number): AsyncGenerator<Segment[]> {
    let position = 0
    for (const batch of fetched.batches()) {
      const begin = position
      for (const { copy, headStart, headEnd } of batch)
        position += headEnd - headStart + copy.lengthBytes
      if (position <= start) yield [skipped(position - begin)]
      else
        yield batch.flatMap(({ copy, path, headStart, headEnd }) => [
          literal(heads.subarray(headStart, headEnd)),
          wholeCopy(copy, path),
        ])
    }
    yield [end]
  }
  return {
    contentType: 'application/x-trove-blobs',
    fileName: 'blobs',
    totalBytes: heads.length + streamBytes + end.bytes.length,
    etag: `"blobs-${artifactId}"`,
    digest: null,
    contentEncoding: null,
    verifyReadable: async () => {
      if (damaged.size > 0) throw damageOf({ id: artifactId }, [...damaged])
    },
    read: (start, stop, signal) =>
      emit(reader, segmentsFrom, { start, end: stop, signal, owner: projectId }),
  }
}

interface Shelves {
  add(fetched: Fetched): void
  /** Yields everything that was added, pack by pack, and in offset order within a shelf. */
  batches(): Generator<Fetched[]>
}

/** Sorts each pack's streams only when it is its turn to be read: sorting everything at once would
 *  block the event loop for a third of a second. A pack with very many wanted streams, such as the
 *  same copies again and again, has several shelves, and is read once for each. */
function createShelves(): Shelves {
  const shelves: Fetched[][] = []
  const filling = new Map<string, Fetched[]>()
  return {
    add: (fetched) => {
      const { packName } = fetched.copy
      let shelf = filling.get(packName)
      if (shelf === undefined || shelf.length >= limits.packCopiesMax) {
        shelf = []
        shelves.push(shelf)
        filling.set(packName, shelf)
      }
      shelf.push(fetched)
    },
    *batches() {
      for (const shelf of shelves) {
        shelf.sort((a, b) => a.copy.offset - b.copy.offset)
        yield* slicesOf(shelf, batchSegments)
      }
    },
  }
}

/** Lists the parts of the wanted files that are composites: all of them, or the requested ones that
 *  exist.
 *  Errors: invalid_request, too_large. */
export async function listParts(
  metadata: Pick<Metadata, 'readEntries' | 'readPartDigests'>,
  artifactId: number,
  wants: readonly Want[],
): Promise<Buffer> {
  const out = createByteWriter()
  let count = 0
  for await (const { file, want } of filesOf(metadata, artifactId, wants)) {
    const parts = await partsOf(metadata, file.blob, want, streamsMax - count)
    count += parts.length
    writeListedParts(out, { ordinal: want.ordinal, parts })
  }
  return out.bytes()
}

/** Errors: too_large, when there are more than `limit`. */
async function partsOf(
  metadata: Pick<Metadata, 'readPartDigests'>,
  blob: BlobPlacement,
  { parts: asked }: Want,
  limit: number,
): Promise<ListedParts['parts']> {
  const parts: ListedParts['parts'] = []
  const wanted = asked === null ? null : new Set(asked)
  const { first, end } = rangeOf(asked, blob.partCount)
  let index = first
  for await (const page of partPages({ blob, first, end }, metadata.readPartDigests)) {
    for (const part of page) {
      if (wanted === null || wanted.has(index)) parts.push(part)
      index += 1
    }
    if (parts.length > limit) throw tooMany()
  }
  return parts
}

/** From the first part that is wanted and can exist to the last. `wanted` is in ascending order. */
function rangeOf(
  wanted: readonly number[] | null,
  partCount: number,
): { first: number; end: number } {
  if (wanted === null) return { first: 0, end: partCount }
  return { first: wanted[0] ?? partCount, end: Math.min(partCount, (wanted.at(-1) ?? -1) + 1) }
}

/** Wants that are looked up at a time. */
const wantsAtOnce = 512

/** Looks up only what is wanted; pages without wants are not read. */
async function* filesOf(
  metadata: Pick<Metadata, 'readEntries'>,
  artifactId: number,
  wants: readonly Want[],
): AsyncGenerator<{ file: StoredFile; want: Want }> {
  for (let first = 0; first < wants.length;) {
    const asked = wants.slice(first, first + wantsAtOnce)
    const ordinals = asked.map(({ ordinal }) => ordinal)
    const entries = await metadata.readEntries(artifactId, ordinals)
    await nextTurn()
    for (const [at, entry] of entries.entries()) {
      const want = asked[at]!
      if (entry?.kind !== 'file') throw noFile(want)
      yield { file: entry, want }
    }
    first += entries.length
  }
}

function noFile({ ordinal }: Want): Error {
  return invalidRequest('wants', `entry ${ordinal} is not a file of the artifact`)
}

async function* streamsOf(
  reader: Reader,
  { blob }: StoredFile,
  { ordinal, parts }: Want,
): AsyncGenerator<{ head: FetchedHead; copy: Copy }> {
  if (blob.copy !== null) {
    // A blob with a copy of its own has a single part, 0.
    if (parts === null || parts[0] === 0) yield fetchedOf(ordinal, 0, { ...blob, copy: blob.copy })
    return
  }
  const wanted = parts === null ? null : new Set(parts)
  const { first, end } = rangeOf(parts, blob.partCount)
  if (first >= end) return
  let index = 0
  let offset = 0
  for await (const page of partPages({ blob, first: 0, end }, reader.metadata.readParts)) {
    for (const part of page) {
      if (wanted === null || wanted.has(index)) yield fetchedOf(ordinal, offset, part)
      index += 1
      offset += part.sizeBytes
    }
  }
}

function fetchedOf(
  ordinal: number,
  offset: number,
  { sizeBytes, copy }: { sizeBytes: number; copy: Copy },
): { head: FetchedHead; copy: Copy } {
  const { codec, lengthBytes } = copy
  return { head: { ordinal, offset, sizeBytes, codec, lengthBytes }, copy }
}

function tooMany(): Error {
  const reason = `more than ${streamsMax} stored streams in one request; split it into several`
  return tooLarge('stored streams of one request', streamsMax, reason)
}
