import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  type SkeletonMember,
  type StreamFacts,
  expectedDescriptor,
} from '../../src/core/zip/skeleton-member.ts'
import {
  decodeSkeletonPage,
  encodeMembersPage,
  encodeTailPage,
} from '../../src/core/zip/skeleton.ts'
import { turns } from '../turns.ts'

const bytes = (min: number, max: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
const u32 = fc.integer({ min: 0, max: 0xffffffff })

const factsOf: fc.Arbitrary<StreamFacts> = fc.record({
  crc32: u32,
  storedBytes: fc.oneof(fc.integer({ min: 1, max: 1e6 }), fc.constant(5e9)),
  sizeBytes: fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.constant(6e9)),
})

/** A CRC-and-sizes field: as expected, zero (a descriptor follows), or arbitrary. */
function tripleOf(facts: StreamFacts): fc.Arbitrary<Buffer> {
  const expected = Buffer.alloc(12)
  expected.writeUInt32LE(facts.crc32, 0)
  expected.writeUInt32LE(Math.min(facts.storedBytes, 0xffffffff), 4)
  expected.writeUInt32LE(Math.min(facts.sizeBytes, 0xffffffff), 8)
  return fc.oneof(fc.constant(expected), fc.constant(Buffer.alloc(12)), bytes(12, 12))
}

function memberOf(facts: StreamFacts): fc.Arbitrary<SkeletonMember> {
  return fc
    .record({
      streamId: fc.option(fc.integer({ min: 1, max: 2 ** 40 })),
      gap: fc.oneof(fc.constant(Buffer.alloc(0)), bytes(1, 40)),
      fields: bytes(10, 10),
      localTriple: tripleOf(facts),
      name: bytes(0, 40),
      localExtra: bytes(0, 20),
      descriptor: fc.constantFrom(
        Buffer.alloc(0),
        expectedDescriptor(facts, false),
        expectedDescriptor(facts, true),
      ),
      localOffset: fc.oneof(u32, fc.constant(7e9)),
      central: fc.option(
        fc.record({
          head: bytes(4, 4),
          sameFields: fc.boolean(),
          fields: bytes(8, 8),
          triple: tripleOf(facts),
          sameName: fc.boolean(),
          name: bytes(0, 40),
          extra: bytes(0, 20),
          comment: bytes(0, 20),
          attributes: bytes(8, 8),
          offset: fc.option(bytes(4, 4)),
        }),
      ),
    })
    .map((parts) => {
      const lengths = Buffer.alloc(4)
      lengths.writeUInt16LE(parts.name.length, 0)
      lengths.writeUInt16LE(parts.localExtra.length, 2)
      const local = Buffer.concat([
        Buffer.from('PK\x03\x04', 'latin1'),
        parts.fields,
        parts.localTriple,
        lengths,
        parts.name,
        parts.localExtra,
      ])
      return {
        streamId: parts.streamId,
        gap: parts.gap,
        local,
        descriptor: parts.descriptor,
        localOffset: parts.localOffset,
        central: parts.central === null ? null : centralOf(parts, parts.central),
      }
    })
}

function centralOf(
  local: { fields: Buffer; name: Buffer; localOffset: number },
  parts: {
    head: Buffer
    sameFields: boolean
    fields: Buffer
    triple: Buffer
    sameName: boolean
    name: Buffer
    extra: Buffer
    comment: Buffer
    attributes: Buffer
    offset: Buffer | null
  },
): Buffer {
  const name = parts.sameName ? local.name : parts.name
  const lengths = Buffer.alloc(6)
  lengths.writeUInt16LE(name.length, 0)
  lengths.writeUInt16LE(parts.extra.length, 2)
  lengths.writeUInt16LE(parts.comment.length, 4)
  const offset = Buffer.alloc(4)
  offset.writeUInt32LE(Math.min(local.localOffset, 0xffffffff), 0)
  return Buffer.concat([
    Buffer.from('PK\x01\x02', 'latin1'),
    parts.head,
    parts.sameFields ? local.fields.subarray(2) : parts.fields,
    parts.triple,
    lengths,
    parts.attributes,
    parts.offset ?? offset,
    name,
    parts.extra,
    parts.comment,
  ])
}

const page = fc
  .array(factsOf, { minLength: 0, maxLength: 12 })
  .chain((facts) => fc.tuple(fc.constant(facts), fc.tuple(...facts.map((fact) => memberOf(fact)))))

describe('skeleton pages', () => {
  test('members of any layout render to the bytes they were made from', () => {
    fc.assert(
      fc.property(page, ([facts, members]) => {
        const decoded = decodeSkeletonPage(encodeMembersPage(members, facts))
        expect(decoded.kind).toBe('members')
        if (decoded.kind !== 'members') return
        expect(decoded.members).toHaveLength(members.length)
        decoded.members.forEach((member, index) => {
          const source = members[index]!
          const local = member.renderLocal(facts[index]!)
          expect(member.streamId).toBe(source.streamId)
          expect(Buffer.from(member.gap)).toEqual(Buffer.from(source.gap))
          expect(local.header).toEqual(source.local)
          expect(local.descriptor).toEqual(source.descriptor)
          expect(member.renderCentral(facts[index]!, source.localOffset)).toEqual(source.central)
        })
      }),
      { numRuns: turns(300) },
    )
  })

  test('a tail page returns its bytes', () => {
    fc.assert(
      fc.property(bytes(0, 200), (tail) => {
        const decoded = decodeSkeletonPage(encodeTailPage(tail))
        expect(decoded).toEqual({ kind: 'tail', bytes: tail })
      }),
    )
  })

  test('a page of an unknown kind is an error', () => {
    expect(() => decodeSkeletonPage(deflateRawSync(Buffer.from([3, 0])))).toThrow(RangeError)
  })

  // APPNOTE 4.3.9. What differs from it is stored as it is.
  test('a data descriptor has 64-bit sizes in ZIP64 only', () => {
    const facts = { crc32: 0xfedcba98, storedBytes: 0x1_8000_0002, sizeBytes: 0x3_9000_0004 }
    const head = '504b070898badcfe'
    expect(expectedDescriptor(facts, false).toString('hex')).toBe(`${head}0200008004000090`)
    expect(expectedDescriptor(facts, true).toString('hex')).toBe(
      `${head}02000080010000000400009003000000`,
    )
  })

  // Pages are stored on disk. Another version of zlib may deflate them otherwise.
  test('golden: the encoding of pages never changes', () => {
    const facts: StreamFacts[] = [
      { crc32: 0x12345678, storedBytes: 100, sizeBytes: 300 },
      { crc32: 0xfedcba98, storedBytes: 5e9, sizeBytes: 6e9 },
      { crc32: 0, storedBytes: 0, sizeBytes: 0 },
      { crc32: 1, storedBytes: 2, sizeBytes: 2 },
    ]
    const stock = stockMember('dist/a.js', facts[0]!, 0, 7)
    const without = stockMember('dist/link', facts[2]!, 200, 0)
    const last = stockMember('dist/links', facts[3]!, 300, 70_000)
    const members = [
      stock,
      unlikeStock(stockMember('dist/ab.js', facts[0]!, 100, 9), facts[1]!),
      { ...without, streamId: null, descriptor: Buffer.alloc(0), central: null },
      // With its sizes in the local header, and elsewhere than its central header says.
      { ...last, local: withSizes(last.local, facts[3]!), localOffset: 301 },
    ]
    const page = inflateRawSync(encodeMembersPage(members, facts))
    expect(digestOf(page)).toMatchInlineSnapshot(
      `"3d534be42f2511cb6ec0a4517c7774ed75764a2296199757af38b81cf7aa13b8"`,
    )
    const tail = inflateRawSync(encodeTailPage(Buffer.from('tail')))
    expect(tail.toString('hex')).toMatchInlineSnapshot(`"027461696c"`)
  })

  // GITHUB-PROTOCOL §14: the stock client's headers repeat themselves except for name and length,
  // so a member should cost little more than its share of a front-coded name.
  test('a member of a stock client costs less than a byte if its name is regular', () => {
    const facts: StreamFacts[] = []
    const members: SkeletonMember[] = []
    let localOffset = 0
    for (let index = 0; index < 512; index++) {
      const fact = {
        crc32: (index * 2654435761) >>> 0,
        storedBytes: 100 + index,
        sizeBytes: 400 + index,
      }
      const member = stockMember(
        `dist/server/chunks/module-${index}.js`,
        fact,
        localOffset,
        index + 1,
      )
      localOffset += member.local.length + fact.storedBytes + 16
      facts.push(fact)
      members.push(member)
    }
    expect(encodeMembersPage(members, facts).length / members.length).toBeLessThan(1)
  })
})

/** A member none of whose fields can be omitted, with every optional one. */
function unlikeStock(stock: SkeletonMember, facts: StreamFacts): SkeletonMember {
  const local = Buffer.concat([stock.local, Buffer.from('xtra')])
  local.fill(1, 14, 26)
  local.writeUInt16LE(4, 28)
  const rest = Buffer.from('dist/other.jsextracomment')
  const central = Buffer.concat([stock.central!.subarray(0, 46), rest])
  central.fill(2, 8, 28)
  central.fill(3, 42, 46)
  for (const [at, text] of [
    [28, 'dist/other.js'],
    [30, 'extra'],
    [32, 'comment'],
  ] as const)
    central.writeUInt16LE(text.length, at)
  const descriptor = expectedDescriptor(facts, true)
  return { ...stock, gap: Buffer.from('gap'), local, central, descriptor }
}

function withSizes(local: Uint8Array, facts: StreamFacts): Buffer {
  const header = Buffer.from(local)
  header.writeUInt32LE(facts.crc32, 14)
  header.writeUInt32LE(facts.storedBytes, 18)
  header.writeUInt32LE(facts.sizeBytes, 22)
  return header
}

function stockMember(
  name: string,
  facts: StreamFacts,
  localOffset: number,
  streamId: number,
): SkeletonMember {
  const fields = Buffer.from('140008000800625f785d', 'hex')
  const nameBytes = Buffer.from(name)
  const lengths = Buffer.from([nameBytes.length, 0, 0, 0])
  const triple = Buffer.alloc(12)
  triple.writeUInt32LE(facts.crc32, 0)
  triple.writeUInt32LE(facts.storedBytes, 4)
  triple.writeUInt32LE(facts.sizeBytes, 8)
  const offset = Buffer.alloc(4)
  offset.writeUInt32LE(localOffset, 0)
  return {
    streamId,
    gap: Buffer.alloc(0),
    local: Buffer.concat([
      Buffer.from('PK\x03\x04', 'latin1'),
      fields,
      Buffer.alloc(12),
      lengths,
      nameBytes,
    ]),
    descriptor: expectedDescriptor(facts, false),
    central: Buffer.concat([
      Buffer.from('PK\x01\x02', 'latin1'),
      Buffer.from('2d031400', 'hex'),
      fields.subarray(2),
      triple,
      lengths,
      Buffer.alloc(2),
      Buffer.from('000000002000a481', 'hex'),
      offset,
      nameBytes,
    ]),
    localOffset,
  }
}
