/** Stored streams of one artifact's files, in the order in which they are stored: what a delta download fetches. Each comes
 *  after a head that says where its content belongs (api/negotiation.ts). */
import {
  fetchEnd,
  fetchedHeadBytesMax,
  type ListedParts,
  type Want,
  writeFetchedHead,
  writeListedParts,
} from '../core/blob-exchange.ts'
import type { BlobPlacement, Copy } from '../core/copy.ts'
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { createByteWriter } from '../core/varint.ts'
import type { Metadata, StoredEntry } from '../metadata/metadata.ts'
import { emit } from './emit.ts'
import type { Reader } from './reader.ts'
import type { Representation } from './representation.ts'
import { literal, partPages, type Segment, wholeCopy } from './segments.ts'

type StoredFile = Extract<StoredEntry, { kind: 'file' }>

interface Fetched {
  ordinal: number
  path: string
  offset: number
  sizeBytes: number
  copy: Copy
}

const streamsMax = limits.fetchedStreamsMax
const batchSegments = 1000

/** Errors: invalid_request (an ordinal that is no file), too_large, blob_damaged. */
export async function representBlobs(
  reader: Reader & { metadata: Pick<Metadata, 'readEntries'> },
  artifactId: number,
  wants: readonly Want[],
): Promise<Representation> {
  const fetched: Fetched[] = []
  for await (const { file, want } of filesOf(reader.metadata, artifactId, wants)) {
    for await (const each of streamsOf(reader, file, want)) fetched.push(each)
    if (fetched.length > streamsMax) throw tooMany()
  }
  const damaged = fetched.filter(({ copy }) => copy.damaged)
  fetched.sort(comparePlaces)
  const heads = headsOf(fetched)
  const end = literal(Buffer.from([fetchEnd]))
  const totalBytes = fetched.reduce(
    (sum, { copy }) => sum + copy.lengthBytes,
    heads.bytes + end.bytes.length,
  )
  const segments = async function* (): AsyncGenerator<Segment[]> {
    for (let first = 0; first < fetched.length; first += batchSegments) {
      yield fetched
        .slice(first, first + batchSegments)
        .flatMap(({ copy, path }, index) => [
          literal(heads.at(first + index)),
          wholeCopy(copy, path),
        ])
    }
    yield [end]
  }
  return {
    contentType: 'application/x-trove-blobs',
    fileName: 'blobs',
    totalBytes,
    etag: `"blobs-${artifactId}"`,
    digest: null,
    contentEncoding: null,
    verifyReadable: async () => {
      if (damaged.length === 0) return
      const paths = damaged.slice(0, limits.damagedPathsMax).map(({ path }) => path)
      throw storeError(
        'blob_damaged',
        `stored bytes of artifact ${artifactId} are damaged: ${paths[0]}`,
        { digest: null, paths },
      )
    },
    read: (start, stop, signal) => emit(reader, segments(), { start, end: stop, signal }),
  }
}

/** The parts of the files that are wanted and have any: all, or those that are asked for and are there.
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
  { blobId, partCount }: BlobPlacement,
  { parts: asked }: Want,
  limit: number,
): Promise<ListedParts['parts']> {
  const parts: ListedParts['parts'] = []
  const wanted = asked === null ? null : new Set(asked)
  const [first, last] = rangeOf(asked, partCount)
  for (let next = first; next <= last;) {
    const limitHere = Math.min(partsPerRead, last + 1 - next)
    const read = await metadata.readPartDigests(blobId, next, limitHere)
    if (read.length === 0) throw new Error(`blob ${blobId} has ${next} parts, not ${partCount}`)
    for (const [index, part] of read.entries())
      if (wanted === null || wanted.has(next + index)) parts.push(part)
    if (parts.length > limit) throw tooMany()
    next += read.length
  }
  return parts
}

const partsPerRead = 2000

/** The first and the last part that is wanted and may be there. `wanted` ascends. */
function rangeOf(wanted: readonly number[] | null, partCount: number): [number, number] {
  if (wanted === null) return [0, partCount - 1]
  return [wanted[0] ?? partCount, Math.min(partCount - 1, wanted.at(-1) ?? -1)]
}

/** Wants that are looked up at a time. */
const wantsAtOnce = 512

/** Only what is wanted is looked up, and pages without wants are not read. */
async function* filesOf(
  metadata: Pick<Metadata, 'readEntries'>,
  artifactId: number,
  wants: readonly Want[],
): AsyncGenerator<{ file: StoredFile; want: Want }> {
  for (let first = 0; first < wants.length;) {
    const asked = wants.slice(first, first + wantsAtOnce)
    const ordinals = asked.map(({ ordinal }) => ordinal)
    const entries = await metadata.readEntries(artifactId, ordinals)
    for (const [at, entry] of entries.entries()) {
      const want = asked[at]!
      if (entry?.kind !== 'file') throw noFile(want)
      yield { file: entry, want }
    }
    first += entries.length
  }
}

function noFile({ ordinal }: Want): Error {
  return storeError('invalid_request', `entry ${ordinal} is not a file of the artifact`, {
    field: 'wants',
  })
}

async function* streamsOf(
  reader: Reader,
  file: StoredFile,
  { ordinal, parts }: Want,
): AsyncGenerator<Fetched> {
  const { blob, path } = file
  if (blob.copy !== null) {
    // Its only part.
    if (parts === null || parts[0] === 0)
      yield { ordinal, path, offset: 0, sizeBytes: blob.sizeBytes, copy: blob.copy }
    return
  }
  const wanted = parts === null ? null : new Set(parts)
  const [first, last] = rangeOf(parts, blob.partCount)
  if (first > last) return
  let index = 0
  let offset = 0
  for await (const page of partPages({ blob, first: 0 }, reader.metadata.readParts)) {
    for (const { copy, sizeBytes } of page) {
      if (wanted === null || wanted.has(index)) yield { ordinal, path, offset, sizeBytes, copy }
      index += 1
      offset += sizeBytes
    }
    if (index > last) return
  }
}

/** Cut from one buffer, and only when they are sent: a large file has tens of thousands of heads, of some ten bytes each,
 *  where an object for each would take a hundred. */
function headsOf(fetched: readonly Fetched[]): { bytes: number; at(index: number): Buffer } {
  const out = createByteWriter(16 * fetched.length + fetchedHeadBytesMax)
  const ends = new Uint32Array(fetched.length)
  for (const [index, { ordinal, offset, sizeBytes, copy }] of fetched.entries()) {
    const { codec, lengthBytes } = copy
    writeFetchedHead(out, { ordinal, offset, sizeBytes, codec, lengthBytes })
    ends[index] = out.position()
  }
  const bytes = out.bytes()
  return {
    bytes: bytes.length,
    at: (index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]),
  }
}

function comparePlaces({ copy: a }: Fetched, { copy: b }: Fetched): number {
  if (a.packName !== b.packName) return a.packName < b.packName ? -1 : 1
  return a.offset - b.offset
}

function tooMany(): Error {
  return storeError(
    'too_large',
    `more than ${streamsMax} stored streams are wanted at once; ask in several requests`,
    {
      limit: 'stored streams of one request',
      limitValue: streamsMax,
      setting: null,
    },
  )
}
