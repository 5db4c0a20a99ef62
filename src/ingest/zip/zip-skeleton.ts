/** Second pass over an uploaded zip, once its streams have ids: cuts the skeleton into pages and
 *  verifies, member by member, that rendering them reproduces the uploaded bytes. */
import {
  foreignCodecOf,
  type StreamKey,
  type StreamName,
  streamKey,
} from '../../core/bytes/copy.ts'
import { digestBytes, digestFromBytes } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import type { SkeletonMember, StreamFacts } from '../../core/zip/skeleton-member.ts'
import { decodeSkeletonPage, encodeMembersPage, encodeTailPage } from '../../core/zip/skeleton.ts'
import type { KnownStream, Metadata } from '../../metadata/metadata.ts'
import { type StagedReader, windowed } from '../staging/staged-reader.ts'
import { readCentralRecord } from './central-record.ts'
import type { ZipDirectory } from './zip-directory.ts'
import { placeMember } from './zip-member.ts'
import type { ZipStreams } from './zip-members.ts'

const noStream = Buffer.alloc(digestBytes)
const tailPageBytes = 256 * 1024

export async function stageSkeleton(
  reader: StagedReader,
  directory: ZipDirectory,
  streams: ZipStreams,
  target: { metadata: Metadata; sessionId: string },
): Promise<void> {
  // The directory can be rendered from the members only if it directly follows them, in the same
  // order.
  const directoryFollows = directory.inLocalOrder && streams.end === directory.start
  const readMember = createMemberReader(reader, directory)
  let page = 0
  let localEnd = 0
  let centralOffset = directory.start
  for (let first = 0; first < directory.count;) {
    const last = Math.min(first + limits.skeletonPageMembers, directory.count)
    const facts = await readFacts(target, { directory, streams }, first, last)
    const members: SkeletonMember[] = []
    const localOffset = localEnd
    let centralBytes = 0
    let headerBytes = 0
    // Names, extra fields and comments can have 64 KiB each.
    for (let at = first; at < last && headerBytes < limits.skeletonPageBytes; at++) {
      const { streamId } = facts[at - first]!
      const { central, end, ...member } = await readMember(at, localEnd)
      members.push({ ...member, streamId, central: directoryFollows ? central : null })
      headerBytes += member.gap.length + member.local.length + central.length
      if (directoryFollows) centralBytes += central.length
      localEnd = end
    }
    const bytes = encodeMembersPage(members, facts)
    assertExact(bytes, members, facts)
    const used = members.flatMap(({ streamId }) => (streamId === null ? [] : [streamId]))
    await target.metadata.stageSkeletonPage(
      target.sessionId,
      { page, localOffset, centralOffset, bytes },
      [...new Set(used)],
    )
    centralOffset += centralBytes
    page += 1
    first += members.length
  }
  const tailStart = directoryFollows ? directory.end : streams.end
  for (let at = tailStart; at < reader.sizeBytes; at += tailPageBytes) {
    const bytes = await reader.read(at, Math.min(tailPageBytes, reader.sizeBytes - at))
    await target.metadata.stageSkeletonPage(
      target.sessionId,
      { page, localOffset: at, centralOffset: at, bytes: encodeTailPage(bytes) },
      [],
    )
    page += 1
  }
}

/** Returns a function that reads the bytes around the data of a member, given where the previous
 *  member ends. */
function createMemberReader(reader: StagedReader, directory: ZipDirectory) {
  const headers = windowed(reader)
  const records = windowed(reader)
  return async (position: number, previousEnd: number) => {
    const index = directory.localOrder[position]!
    const record = await readCentralRecord(records, directory.recordOffset[index]!, directory.end)
    const { localOffset } = record
    const directoryStart = directory.start
    const bounds = { previousEnd, directoryStart }
    const { local, descriptor, end } = await placeMember(headers, record, bounds)
    const gap = Buffer.from(await headers.read(previousEnd, localOffset - previousEnd))
    return { gap, local, descriptor, central: Buffer.from(record.raw), localOffset, end }
  }
}

type MemberFacts = StreamFacts & { streamId: number | null }

async function readFacts(
  target: { metadata: Metadata; sessionId: string },
  { directory, streams }: { directory: ZipDirectory; streams: ZipStreams },
  first: number,
  last: number,
): Promise<MemberFacts[]> {
  const names: (StreamName | null)[] = []
  for (let position = first; position < last; position++) {
    const bytes = streams.digests.subarray(position * digestBytes, (position + 1) * digestBytes)
    const codec = foreignCodecOf(directory.method[directory.localOrder[position]!]!)
    names.push(bytes.equals(noStream) ? null : { streamDigest: digestFromBytes(bytes), codec })
  }
  const wanted = new Set(names.flatMap((name) => (name === null ? [] : [name.streamDigest])))
  const known = new Map<StreamKey, KnownStream>()
  for (const stream of await target.metadata.claimStreams(target.sessionId, [...wanted]))
    known.set(streamKey(stream), stream)
  return names.map((name, index) => {
    if (name === null) return { streamId: null, crc32: 0, storedBytes: 0, sizeBytes: 0 }
    const stream = known.get(streamKey(name))
    if (stream === undefined)
      throw new Error(`the stream of member ${first + index} is missing, though its session lives`)
    return {
      streamId: stream.streamId,
      crc32: stream.blob.crc32,
      storedBytes: stream.lengthBytes,
      sizeBytes: stream.blob.sizeBytes,
    }
  })
}

/** Verifies that the page renders to the uploaded bytes; anything else is a bug that must never
 *  reach a commit. */
function assertExact(bytes: Buffer, members: SkeletonMember[], facts: StreamFacts[]): void {
  const decoded = decodeSkeletonPage(bytes)
  if (decoded.kind !== 'members') throw new Error('a page of members decodes as a tail')
  decoded.members.forEach((member, index) => {
    const source = members[index]!
    const fact = facts[index]!
    const local = member.renderLocal(fact)
    const central = member.renderCentral(fact, source.localOffset)
    const same =
      member.streamId === source.streamId &&
      local.header.equals(source.local) &&
      local.descriptor.equals(source.descriptor) &&
      Buffer.compare(member.gap, source.gap) === 0 &&
      (central === null
        ? source.central === null
        : source.central !== null && central.equals(source.central))
    if (!same) throw new Error(`skeleton member ${index} does not render to its uploaded bytes`)
  })
}
