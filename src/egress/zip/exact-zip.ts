/** The exact zip, rebuilt from skeleton and streams, byte for byte as uploaded.
 *
 *  The zip has three stretches: local headers with their data (member pages), the central directory
 *  (the same pages again), and what follows (tail pages; they also hold the directory when its
 *  order differs from that of the members). Each page records where in the zip it begins, so a
 *  range starts at the page that holds its first byte. */
import type { PackedMember, StreamFacts } from '../../core/zip/skeleton-member.ts'
import { decodeSkeletonPage } from '../../core/zip/skeleton.ts'
import { localFixedBytes } from '../../core/zip/zip-records.ts'
import type { Metadata, PlacedStream, SkeletonPage } from '../../metadata/metadata.ts'
import { literal, skipped, type Segment, wholeCopy } from '../segments.ts'

type SkeletonReader = Pick<Metadata, 'readSkeletonPage' | 'findSkeletonPage' | 'readStreams'>

/** A page of members with the streams that they name. */
interface MemberPage {
  kind: 'members'
  at: SkeletonPage
  members: PlacedMember[]
}
interface TailPage {
  kind: 'tail'
  at: SkeletonPage
  bytes: Buffer
}
interface PlacedMember {
  member: PackedMember
  stream: PlacedStream | null
  facts: StreamFacts
}

const noFacts: StreamFacts = { crc32: 0, storedBytes: 0, sizeBytes: 0 }

/** Yields the segments of the zip. Everything before the page that holds byte `start` is one
 *  placeholder. */
export async function* exactZipSegments(
  metadata: SkeletonReader,
  artifactId: number,
  start: number,
): AsyncGenerator<Segment[]> {
  const entrance = await findEntrance(metadata, artifactId, start)
  yield [skipped(entrance.position)]
  let page = entrance.page
  if (entrance.stretch === 'local') {
    for await (const members of memberPages(metadata, artifactId, page))
      yield localSegments(members)
    page = 0
  }
  if (entrance.stretch !== 'tail') {
    for await (const members of memberPages(metadata, artifactId, page)) {
      yield [literal(centralDirectory(members))]
      page = members.at.page + 1
    }
  }
  for (;;) {
    const tail = await readPage(metadata, artifactId, page++)
    if (tail === undefined) return
    if (tail.kind !== 'tail')
      throw new Error(`skeleton page ${tail.at.page} of ${artifactId} is not a tail`)
    yield [literal(tail.bytes)]
  }
}

/** Names of members whose stream is marked damaged, at most `limit`. */
export async function damagedMembers(
  metadata: SkeletonReader,
  artifactId: number,
  limit: number,
): Promise<string[]> {
  const names: string[] = []
  for await (const { members } of memberPages(metadata, artifactId, 0)) {
    for (const { member, stream, facts } of members) {
      if (stream?.copy.damaged !== true) continue
      names.push(memberName(member.renderLocal(facts).header))
      if (names.length === limit) return names
    }
  }
  return names
}

function memberName(localHeader: Buffer): string {
  const end = localFixedBytes + localHeader.readUInt16LE(26)
  return localHeader.toString('utf8', localFixedBytes, end)
}

/** Finds the stretch and the page that contain byte `start`, and where that page begins in the
 *  zip. */
async function findEntrance(
  metadata: SkeletonReader,
  artifactId: number,
  start: number,
): Promise<{ stretch: 'local' | 'central' | 'tail'; page: number; position: number }> {
  const local = await openPage(metadata, artifactId, 'local', start)
  if (local.kind === 'tail')
    return { stretch: 'tail', page: local.at.page, position: local.at.localOffset }
  const first = await metadata.readSkeletonPage(artifactId, 0)
  if (first === undefined || start < first.centralOffset) {
    return { stretch: 'local', page: local.at.page, position: local.at.localOffset }
  }
  const central = await openPage(metadata, artifactId, 'central', start)
  return { stretch: 'central', page: central.at.page, position: central.at.centralOffset }
}

async function openPage(
  metadata: SkeletonReader,
  artifactId: number,
  side: 'local' | 'central',
  offset: number,
): Promise<MemberPage | TailPage> {
  const number = await metadata.findSkeletonPage(artifactId, side, offset)
  const page = number === undefined ? undefined : await readPage(metadata, artifactId, number)
  if (page === undefined)
    throw new Error(`artifact ${artifactId} has no skeleton at ${side} offset ${offset}`)
  return page
}

/** Yields member pages from `first` on, up to the tail. */
async function* memberPages(
  metadata: SkeletonReader,
  artifactId: number,
  first: number,
): AsyncGenerator<MemberPage> {
  for (let number = first; ; number++) {
    const page = await readPage(metadata, artifactId, number)
    if (page?.kind !== 'members') return
    yield page
  }
}

async function readPage(
  metadata: SkeletonReader,
  artifactId: number,
  number: number,
): Promise<MemberPage | TailPage | undefined> {
  const at = await metadata.readSkeletonPage(artifactId, number)
  if (at === undefined) return undefined
  const decoded = decodeSkeletonPage(at.bytes)
  if (decoded.kind === 'tail') return { kind: 'tail', at, bytes: decoded.bytes }
  const ids = new Set(
    decoded.members.flatMap(({ streamId }) => (streamId === null ? [] : [streamId])),
  )
  const streams = ids.size === 0 ? [] : await metadata.readStreams([...ids])
  const byId = new Map(streams.map((stream) => [stream.streamId, stream]))
  return {
    kind: 'members',
    at,
    members: decoded.members.map((member) => placeMember(member, byId)),
  }
}

function placeMember(member: PackedMember, streams: Map<number, PlacedStream>): PlacedMember {
  if (member.streamId === null) return { member, stream: null, facts: noFacts }
  const stream = streams.get(member.streamId)
  if (stream === undefined) throw new Error(`stream ${member.streamId} of a skeleton is not stored`)
  const { crc32, sizeBytes } = stream
  return { member, stream, facts: { crc32, storedBytes: stream.copy.lengthBytes, sizeBytes } }
}

function localSegments(page: MemberPage): Segment[] {
  const segments: Segment[] = []
  let text: Uint8Array[] = []
  for (const { member, stream, facts } of page.members) {
    const { header, descriptor } = member.renderLocal(facts)
    text.push(member.gap, header)
    if (stream !== null) {
      segments.push(literal(Buffer.concat(text)), wholeCopy(stream.copy, memberName(header)))
      text = []
    }
    text.push(descriptor)
  }
  segments.push(literal(Buffer.concat(text)))
  return segments
}

/** The page's part of the central directory; empty when the tail holds the directory. */
function centralDirectory(page: MemberPage): Buffer {
  let position = page.at.localOffset
  const headers: Buffer[] = []
  for (const { member, facts } of page.members) {
    const { header, descriptor } = member.renderLocal(facts)
    const localOffset = position + member.gap.length
    position = localOffset + header.length + facts.storedBytes + descriptor.length
    const central = member.renderCentral(facts, localOffset)
    if (central !== null) headers.push(central)
  }
  return Buffer.concat(headers)
}
