/** Zips taken apart here, as ingest does it, are reproduced byte for byte, whole and in ranges. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { hasCode } from '../../src/core/errors.ts'
import type { SkeletonMember, StreamFacts } from '../../src/core/zip/skeleton-member.ts'
import { encodeMembersPage, encodeTailPage } from '../../src/core/zip/skeleton.ts'
import { representZip } from '../../src/egress/egress.ts'
import { damagedMembers } from '../../src/egress/zip/exact-zip.ts'
import type { Artifact, SkeletonPage } from '../../src/metadata/metadata.ts'
import { buildZip, type ZipMemberSpec } from '../corpus/build-zip.ts'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'
import { turns } from '../turns.ts'

/** Cuts `zip` into streams and skeleton pages of `pageMembers` members. `inOrder`: the zip's
 *  directory has the order of the members, so that member pages hold it; otherwise the tail
 *  does. */
function keepExact(
  store: MemoryStore,
  zip: Buffer,
  options: { specs: ZipMemberSpec[]; inOrder: boolean; pageMembers: number },
): Artifact {
  const artifact = store.addArtifact([], {
    kind: 'exact',
    zipBytes: zip.length,
    zipDigest: digestOf(zip),
  })
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  const directoryStart = zip.readUInt32LE(end + 16)
  let central = directoryStart
  const members: (SkeletonMember & { end: number; centralStart: number; facts: StreamFacts })[] = []
  const records = Array.from({ length: options.specs.length }, () => {
    const length =
      46 +
      zip.readUInt16LE(central + 28) +
      zip.readUInt16LE(central + 30) +
      zip.readUInt16LE(central + 32)
    central += length
    return { start: central - length, bytes: zip.subarray(central - length, central) }
  }).toSorted((a, b) => a.bytes.readUInt32LE(42) - b.bytes.readUInt32LE(42))
  let at = 0
  for (const [index, { start, bytes }] of records.entries()) {
    const localOffset = bytes.readUInt32LE(42)
    const headerEnd =
      localOffset + 30 + zip.readUInt16LE(localOffset + 26) + zip.readUInt16LE(localOffset + 28)
    const dataEnd = headerEnd + bytes.readUInt32LE(20)
    const memberEnd = dataEnd + (bytes.readUInt16LE(8) & 8 ? 16 : 0)
    const content = Buffer.from(options.specs[index]!.content ?? '')
    const data = zip.subarray(headerEnd, dataEnd)
    const stored =
      data.length === 0
        ? null
        : store.store(data, bytes.readUInt16LE(10) === 0 ? 'stored' : 'deflate')
    if (stored !== null) store.addStream(stored, content)
    members.push({
      streamId: stored?.streamId ?? null,
      gap: zip.subarray(at, localOffset),
      local: zip.subarray(localOffset, headerEnd),
      descriptor: zip.subarray(dataEnd, memberEnd),
      central: options.inOrder ? bytes : null,
      localOffset,
      end: memberEnd,
      centralStart: start,
      facts:
        stored === null
          ? { crc32: 0, storedBytes: 0, sizeBytes: 0 }
          : { crc32: bytes.readUInt32LE(16), storedBytes: data.length, sizeBytes: content.length },
    })
    at = memberEnd
  }
  const pages: SkeletonPage[] = []
  const put = (localOffset: number, centralOffset: number, bytes: Buffer): void => {
    pages.push({ page: pages.length, localOffset, centralOffset, bytes })
  }
  for (let first = 0; first < members.length; first += options.pageMembers) {
    const part = members.slice(first, first + options.pageMembers)
    const centralOffset = options.inOrder ? part[0]!.centralStart : directoryStart
    put(
      first === 0 ? 0 : members[first - 1]!.end,
      centralOffset,
      encodeMembersPage(
        part,
        part.map(({ facts }) => facts),
      ),
    )
  }
  for (let start = options.inOrder ? central : at; start < zip.length; start += 100) {
    put(start, start, encodeTailPage(zip.subarray(start, start + 100)))
  }
  store.addSkeleton(artifact.id, pages)
  return artifact
}

const member: fc.Arbitrary<ZipMemberSpec> = fc.record(
  {
    name: fc.stringMatching(/^[a-z]{1,12}$/),
    content: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    method: fc.constantFrom(0, 8),
    flags: fc.constantFrom(0, 8, 0x808),
    gap: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    centralExtra: fc.constant(Buffer.from('UT\x05\x00\x01abcd', 'latin1')),
    comment: fc.constant('a comment'),
  },
  { requiredKeys: ['name', 'content', 'method'] },
)

const checkExact = async (
  specs: ZipMemberSpec[],
  options: { shuffled: boolean; pageMembers: number; cuts: number[] },
): Promise<void> => {
  const order = [...specs.keys()]
  const zip = buildZip({
    members: specs,
    centralOrder: options.shuffled ? order.reverse() : order,
    comment: 'bye',
  })
  const store = createMemoryStore()
  const inOrder = !options.shuffled || specs.length < 2
  const artifact = keepExact(store, zip, { specs, inOrder, pageMembers: options.pageMembers })
  const representation = await representZip(store.reader, artifact)
  expect((await readAll(representation)).equals(zip)).toBe(true)
  expect(representation.digest).toBe(artifact.zipDigest)
  const borders = [0, ...options.cuts.map((cut) => Math.floor(cut * zip.length)), zip.length].sort(
    (a, b) => a - b,
  )
  for (let index = 1; index < borders.length; index++) {
    const [start, end] = [borders[index - 1]!, borders[index]!]
    expect((await readAll(representation, start, end)).equals(zip.subarray(start, end))).toBe(true)
  }
}

test('any zip that was taken apart is reproduced, and any ranges of it concatenate to it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(member, { maxLength: 12 }),
      fc.record({
        shuffled: fc.boolean(),
        pageMembers: fc.integer({ min: 1, max: 5 }),
        cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
      }),
      checkExact,
    ),
    { numRuns: turns(200) },
  )
})

test('a zip of many pages can be resumed at any byte', async () => {
  const specs = Array.from({ length: 20 }, (_, index) => ({
    name: `file-${index}`,
    content: `content ${index}`,
  }))
  const zip = buildZip({ members: specs, comment: 'bye' })
  const store = createMemoryStore()
  const artifact = keepExact(store, zip, { specs, inOrder: true, pageMembers: 3 })
  const representation = await representZip(store.reader, artifact)
  for (let start = 0; start < zip.length; start += 41)
    expect((await readAll(representation, start)).equals(zip.subarray(start))).toBe(true)
})

test('a range near the end reads only the streams and pages that it needs', async () => {
  const specs = Array.from({ length: 3000 }, (_, index) => ({
    name: `file-${index}`,
    content: `content ${index}`,
  }))
  const zip = buildZip({ members: specs })
  const store = createMemoryStore()
  const artifact = keepExact(store, zip, { specs, inOrder: true, pageMembers: 512 })
  const pagesRead: number[] = []
  const { readSkeletonPage } = store.reader.metadata
  store.reader.metadata.readSkeletonPage = async (id, page) => {
    pagesRead.push(page)
    return await readSkeletonPage(id, page)
  }
  const representation = await representZip(store.reader, artifact)
  const tail = await readAll(representation, zip.length - 30)
  expect(tail.equals(zip.subarray(zip.length - 30))).toBe(true)
  expect(store.reads).toEqual([])
  expect(pagesRead.every((page) => page === 0 || page >= 5)).toBe(true)
})

test('a damaged stream is reported by its member before a status is sent', async () => {
  const specs = [
    { name: 'empty', content: '', method: 0 },
    ...['a', 'b', 'c', 'd'].map((name) => ({
      name,
      content: `content of ${name}`,
      localExtra: Buffer.from('UT\x05\x00\x01abcd', 'latin1'),
    })),
  ]
  const store = createMemoryStore()
  const artifact = keepExact(store, buildZip({ members: specs }), {
    specs,
    inOrder: true,
    pageMembers: 2,
  })
  const streams = await store.reader.metadata.readStreams([1, 3, 4].map((at) => artifact.id + at))
  for (const { copy } of streams) copy.damaged = true
  const representation = await representZip(store.reader, { ...artifact, state: 'damaged' })
  const error: unknown = await representation.verifyReadable().catch((failure: unknown) => failure)
  expect(hasCode(error, 'blob_damaged') && error.details.paths).toEqual(['a', 'c', 'd'])
  expect(await damagedMembers(store.reader.metadata, artifact.id, 2)).toEqual(['a', 'c'])
  const damaged = { ...artifact, state: 'damaged' } as const
  const intact = await representZip(store.reader, damaged, { intact: true })
  await expect(intact.verifyReadable()).resolves.toBeUndefined()
  await expect(
    (await representZip(store.reader, artifact)).verifyReadable(),
  ).resolves.toBeUndefined()
})
