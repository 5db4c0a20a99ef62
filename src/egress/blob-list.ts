/** The stored streams of one artifact's files: the body of a delta download. Each stream follows a
 *  head that says where its content goes (api/negotiation.ts). A slice of them is looked up at a
 *  time and sent in storage order, so neither a long list nor a slow client takes much memory. */
import {
  type FetchedHead,
  fetchEnd,
  firstWant,
  type WantPlace,
  writeFetchedHead,
} from '../core/bytes/blob-exchange.ts'
import type { Copy } from '../core/bytes/copy.ts'
import { createDigestHasher } from '../core/bytes/digest.ts'
import { createByteWriter } from '../core/bytes/varint.ts'
import { limits } from '../core/limits.ts'
import type { Artifact, Metadata } from '../metadata/metadata.ts'
import { createMarks } from './archive-cache.ts'
import { damageOf } from './damage.ts'
import { emit } from './emit.ts'
import type { Reader } from './reader.ts'
import type { Representation } from './representation.ts'
import { literal, partPages, type Segment, skipped, totalBytes, wholeCopy } from './segments.ts'
import { inWalk } from './walks.ts'
import { rangeOf, type WantedFile, wantedFiles } from './wanted-files.ts'

/** Streams of a slice, as many as our client asks for in a request: about a megabyte. */
const sliceStreams = 2048

type BlobReader = Reader & { metadata: Pick<Metadata, 'readEntries'> }

/** A stream of a file, and where in the list of wants it begins. */
interface Fetched extends StreamPlace {
  head: FetchedHead
  copy: Copy
  path: string
}

interface StreamPlace {
  want: WantPlace
  /** Index of the part in its file, and the offset of its content there. */
  part: number
  offset: number
}

const firstPlace: StreamPlace = { want: firstWant, part: 0, offset: 0 }

/** `wants` is an encoded list that was checked. The length is not known in advance. Reading fails
 *  with invalid_request at an ordinal that is not a file. */
export function representBlobs(
  reader: BlobReader,
  artifact: Pick<Artifact, 'id' | 'projectId' | 'state'>,
  wants: Uint8Array,
): Representation {
  const marks = createMarks<StreamPlace & { page: number; position: number; order: string }>()
  const segmentsFrom = async function* (start: number): AsyncGenerator<Segment[]> {
    const known = marks.findLast(({ position }) => position <= start)
    let { page, position, order: expected } = known ?? { page: 0, position: 0, order: undefined }
    yield [skipped(position)]
    for await (const slice of slicesOf(reader, artifact.id, wants, known ?? firstPlace)) {
      const { want, part, offset } = slice[0]!
      const sorted = slice.toSorted(comparePlaces)
      const order = orderOf(sorted)
      // Compaction may have moved streams since the slice was begun, and its bytes with them.
      if (expected !== undefined && order !== expected)
        throw new Error(`streams of artifact ${artifact.id} moved while they were sent`)
      expected = undefined
      marks.note({ page, position, want, part, offset, order })
      const segments = segmentsOf(sorted)
      yield segments
      page += 1
      position += totalBytes(segments)
    }
    yield [literal(Buffer.from([fetchEnd]))]
  }
  return {
    contentType: 'application/x-trove-blobs',
    fileName: 'blobs',
    totalBytes: Infinity,
    etag: `"blobs-${artifact.id}"`,
    digest: null,
    contentEncoding: null,
    verifyReadable: async () => {
      if (artifact.state === 'available') return
      const damaged = await inWalk(artifact, undefined, () => damagedOf(reader, artifact, wants))
      if (damaged.length > 0) throw damageOf(artifact, damaged)
    },
    read: (start, end, signal) =>
      emit(reader, segmentsFrom, { start, end, signal, owner: artifact.projectId }),
  }
}

/** Returns the paths of wanted files of which a wanted stream is damaged. */
async function damagedOf(
  reader: BlobReader,
  artifact: Pick<Artifact, 'id'>,
  wants: Uint8Array,
): Promise<string[]> {
  const damaged = new Set<string>()
  for await (const slice of slicesOf(reader, artifact.id, wants, firstPlace)) {
    for (const { copy, path } of slice) if (copy.damaged) damaged.add(path)
    if (damaged.size >= limits.damagedPathsMax) break
  }
  return [...damaged]
}

/** Yields the wanted streams from a place on, in the order in which they are wanted. */
async function* slicesOf(
  reader: BlobReader,
  artifactId: number,
  wants: Uint8Array,
  from: StreamPlace,
): AsyncGenerator<Fetched[]> {
  let slice: Fetched[] = []
  const files = wantedFiles(reader.metadata, artifactId, wants, from.want)
  let begin: Omit<StreamPlace, 'want'> = from
  for await (const file of files) {
    for await (const stream of streamsOf(reader, file, begin)) {
      slice.push(stream)
      if (slice.length < sliceStreams) continue
      yield slice
      slice = []
    }
    begin = firstPlace
  }
  if (slice.length > 0) yield slice
}

/** Yields the wanted streams of a file from a part on. */
async function* streamsOf(
  reader: Reader,
  { file: { blob, path }, want: { ordinal, parts }, at: want }: WantedFile,
  from: Omit<StreamPlace, 'want'>,
): AsyncGenerator<Fetched> {
  if (blob.copy !== null) {
    // A blob with a copy of its own has a single part, 0.
    if (parts !== null && parts[0] !== 0) return
    const { copy } = blob
    yield { want, ...firstOf, head: headOf(ordinal, 0, { ...blob, copy }), copy, path }
    return
  }
  const wanted = parts === null ? null : new Set(parts)
  const { first, end } = rangeOf(parts, blob.partCount)
  if (first >= end) return
  let { part: index, offset } = from
  for await (const page of partPages({ blob, first: index, end }, reader.metadata.readParts)) {
    for (const part of page) {
      if (wanted === null || wanted.has(index)) {
        const head = headOf(ordinal, offset, part)
        yield { want, part: index, offset, head, copy: part.copy, path }
      }
      index += 1
      offset += part.sizeBytes
    }
  }
}

const firstOf = { part: 0, offset: 0 }

function headOf(
  ordinal: number,
  offset: number,
  { sizeBytes, copy }: { sizeBytes: number; copy: Copy },
): FetchedHead {
  const { codec, lengthBytes } = copy
  return { ordinal, offset, sizeBytes, codec, lengthBytes }
}

function segmentsOf(slice: readonly Fetched[]): Segment[] {
  const writer = createByteWriter()
  const ends = slice.map(({ head }) => {
    writeFetchedHead(writer, head)
    return writer.position()
  })
  const heads = writer.bytes()
  return slice.flatMap(({ copy, path }, index) => [
    literal(heads.subarray(ends[index - 1] ?? 0, ends[index])),
    wholeCopy(copy, path),
  ])
}

function comparePlaces({ copy: a }: Fetched, { copy: b }: Fetched): number {
  if (a.packName !== b.packName) return a.packName < b.packName ? -1 : 1
  return a.offset - b.offset
}

/** Names the streams of a slice in their order. */
function orderOf(slice: readonly Fetched[]): string {
  const hasher = createDigestHasher()
  const names = slice.map(({ head, part }) => `${head.ordinal}.${part}:${head.lengthBytes}`)
  hasher.update(Buffer.from(names.join()))
  return hasher.digest()
}
