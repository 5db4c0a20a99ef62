/** Records of zips that others wrote: what they say of their own length is not trusted. */
import { expect, test } from 'vitest'
import { decodeCentralHeader, findEndRecord, findExtra } from '../../src/core/zip/zip-records.ts'

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
})
