/** Records of zips that others wrote: what they say of their own length is not trusted. */
import { expect, test } from 'vitest'
import { createZipEncoder } from '../../src/core/zip/zip-encoder.ts'
import {
  decodeCentralHeader,
  decodeEnd,
  findEndRecord,
  findExtra,
  writeUInt64,
} from '../../src/core/zip/zip-records.ts'

const field = (id: number, body: string, lengthBytes = body.length): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(id, 0)
  head.writeUInt16LE(lengthBytes, 2)
  return Buffer.concat([head, Buffer.from(body)])
}

test('the signature of an end record in its own comment is not mistaken for one', () => {
  const comment = Buffer.alloc(30, 0xff)
  comment.write('PK\u0005\u0006', 2, 'latin1')
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 0, 'latin1')
  end.writeUInt16LE(comment.length, 20)
  const tail = Buffer.concat([Buffer.alloc(5), end, comment])
  expect(findEndRecord(tail)).toBe(5)
  expect(findEndRecord(tail.subarray(0, -1))).toBe(-1)
  expect(findEndRecord(tail.subarray(5))).toBe(0)
})

test('an extra field is found by its id, if it is complete', () => {
  const extra = Buffer.concat([field(7, 'seven'), field(1, 'one'), field(1, 'again')])
  expect(findExtra(extra, 1)?.toString()).toBe('one')
  expect(findExtra(extra, 2)).toBeUndefined()
  expect(findExtra(field(1, 'one', 4), 1)).toBeUndefined()
  expect(findExtra(Buffer.concat([field(7, 'seven', 6), field(1, 'one')]), 1)).toBeUndefined()
  expect(findExtra(field(1, '').subarray(0, 3), 1)).toBeUndefined()
  expect(findExtra(field(1, ''), 1)).toHaveLength(0)
})

test('a central header that ends early is none', () => {
  const header = Buffer.alloc(46)
  header.write('PK\u0001\u0002', 0, 'latin1')
  for (const [at, length] of [
    [28, 4],
    [30, 9],
    [32, 2],
  ] as const)
    header.writeUInt16LE(length, at)
  const whole = Buffer.concat([header, Buffer.from('name'), field(7, 'seven'), Buffer.from('no')])
  expect(decodeCentralHeader(whole, 0)).toMatchObject({ extraAt: 50, commentAt: 59, end: 61 })
  for (let length = 0; length < whole.length; length++)
    expect(decodeCentralHeader(whole.subarray(0, length), 0)).toBeUndefined()
  // One without a name, and another record.
  expect(decodeCentralHeader(header.fill(0, 28), 0)).toMatchObject({ nameAt: 46, end: 46 })
  expect(decodeCentralHeader(header.fill(0, 0, 1), 0)).toBeUndefined()
})

interface Values {
  sizeBytes: number
  storedBytes: number
  localOffset: number
}

function centralHeader(values: Values, extra: Buffer): Buffer {
  const header = Buffer.alloc(46)
  header.write('PK\u0001\u0002', 0, 'latin1')
  header.write('2d03140000080900112233445566778f', 4, 'hex')
  header.writeUInt32LE(values.storedBytes, 20)
  header.writeUInt32LE(values.sizeBytes, 24)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt32LE(0xd0c0b0a0, 38)
  header.writeUInt32LE(values.localOffset, 42)
  return Buffer.concat([header, extra])
}

test('a central header has the facts of its member', () => {
  const values = { sizeBytes: 1, storedBytes: 2, localOffset: 3 }
  expect(decodeCentralHeader(centralHeader(values, Buffer.alloc(0)), 0)).toMatchObject({
    ...values,
    madeBy: 0x032d,
    flags: 0x0800,
    method: 9,
    dosTime: 0x2211,
    dosDate: 0x4433,
    crc32: 0x8f776655,
    externalAttributes: 0xd0c0b0a0,
    hasBadZip64: false,
  })
})

const escaped = 0xffffffff

/** A ZIP64 field with these values. */
function wide(...values: number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length)
  values.forEach((value, index) => writeUInt64(bytes, value, 8 * index))
  return Buffer.concat([field(1, '', bytes.length), bytes])
}

test.each([
  [
    'the values that are escaped',
    wide(2 ** 40, 2 ** 41),
    { sizeBytes: 2 ** 40, localOffset: 2 ** 41 },
  ],
  ['more than these', wide(7, 8, 9), { sizeBytes: 7, localOffset: 8 }],
  ['only one of them', wide(7), { sizeBytes: 7, localOffset: escaped, hasBadZip64: true }],
  [
    'one of which is cut',
    wide(7, 8).fill(15, 2, 3).subarray(0, 19),
    { sizeBytes: 7, localOffset: escaped, hasBadZip64: true },
  ],
  ['one too large', wide(2 ** 53, 8), { sizeBytes: escaped, localOffset: 8, hasBadZip64: true }],
])('the ZIP64 field of a central header has %s', (_, extra, expected) => {
  const values = { sizeBytes: escaped, storedBytes: 2, localOffset: escaped }
  const header = decodeCentralHeader(centralHeader(values, extra), 0)
  expect(header).toMatchObject({ storedBytes: 2, hasBadZip64: false, ...expected })
})

test('values stand for themselves without a ZIP64 field, and where they are not escaped', () => {
  const large = { sizeBytes: escaped, storedBytes: escaped, localOffset: escaped }
  const none = field(7, '')
  expect(decodeCentralHeader(centralHeader(large, none), 0)).toMatchObject(large)
  const small = { sizeBytes: 1, storedBytes: 2, localOffset: 3 }
  expect(decodeCentralHeader(centralHeader(small, wide(7, 8, 9)), 0)).toMatchObject(small)
})

const { encodeEnd } = createZipEncoder({
  versionNeeded: () => 20,
  madeBy: () => 0x032d,
  dosDateTime: () => 0,
  externalAttributes: () => 0,
})

test('an end record is decoded, with its ZIP64 form if the locator points to one', () => {
  const small = { memberCount: 3, directoryBytes: 200, directoryOffset: 1000 }
  const end = encodeEnd(small)
  end.writeUInt16LE(5, 4)
  expect(decodeEnd(end, 0, 1200)).toEqual({ disk: 5, ...small, offset: 1200 })
  const behind = Buffer.concat([Buffer.alloc(20), end])
  expect(decodeEnd(behind, 20, 1180)).toEqual({ disk: 5, ...small, offset: 1200 })

  const large = { memberCount: 70_000, directoryBytes: 2 ** 33, directoryOffset: 2 ** 34 }
  const offset = 2 ** 34 + 2 ** 33
  const zip64 = encodeEnd(large)
  expect(decodeEnd(zip64, 76, offset)).toEqual({ disk: 0, ...large, offset })
  const tail = Buffer.concat([Buffer.alloc(9), zip64])
  expect(decodeEnd(tail, 85, offset - 9)).toEqual({ disk: 0, ...large, offset })
})

test('an end record whose ZIP64 form is elsewhere or out of range is not decoded', () => {
  const [directoryBytes, directoryOffset] = [2 ** 33, 2 ** 34]
  const offset = directoryOffset + directoryBytes
  const zip64 = encodeEnd({ memberCount: 70_000, directoryBytes, directoryOffset })
  // The tail begins after it.
  for (const cut of [1, 56])
    expect(decodeEnd(zip64.subarray(cut), 76 - cut, offset + cut)).toBeUndefined()
  // The locator does not point to it.
  for (const at of [1, -1]) expect(decodeEnd(zip64, 76, offset + at)).toBeUndefined()
  // It overlaps the locator.
  const overlapping = Buffer.from(zip64)
  zip64.copy(overlapping, 40, 0, 4)
  writeUInt64(overlapping, offset + 40, 56 + 8)
  expect(decodeEnd(overlapping, 76, offset)).toBeUndefined()
  const huge = encodeEnd({ memberCount: 2 ** 53, directoryBytes, directoryOffset })
  expect(decodeEnd(huge, 76, offset)).toBeUndefined()
  expect(decodeEnd(zip64.fill(0, 0, 1), 76, offset)).toBeUndefined()
})
