import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestFromBytes } from '../../src/core/bytes/digest.ts'
import { createMemberNames } from '../../src/packs/format/member-names.ts'

test('names are unique, whatever the digests and however many there are', () => {
  const names = createMemberNames()
  const given = new Set<string>()
  const distinct = Array.from({ length: 20_000 }, () => digestFromBytes(randomBytes(32)))
  const others: string[] = []
  for (let turn = 0; turn < 3; turn++) {
    for (const digest of distinct) {
      const name = names.nameOf(digest)
      const short = Buffer.from(digest, 'hex').subarray(0, 16).toString('base64url')
      if (name !== (turn === 0 ? short : `${short}.${turn}`)) others.push(name)
      given.add(name)
    }
  }
  expect(others).toEqual([])
  expect(given.size).toBe(60_000)
})

test('digests that share their first bytes still get different names', () => {
  const names = createMemberNames()
  const first = randomBytes(32)
  const second = Buffer.from(first)
  second[12]! ^= 1
  const given = [first, second, first].map((bytes) => names.nameOf(digestFromBytes(bytes)))
  expect(new Set(given).size).toBe(3)
})

test('a reader accepts exactly the names that a writer assigns', () => {
  const writer = createMemberNames()
  const reader = createMemberNames()
  const digest = digestFromBytes(randomBytes(32))
  const [first, second] = [writer.nameOf(digest), writer.nameOf(digest)]
  expect(reader.accepts(first)).toBe(true)
  expect(reader.accepts(second)).toBe(true)
  for (const bad of [
    first,
    `${first}.1`,
    `${first}.03`,
    `${first}.4x`,
    '',
    '../../../etc/passwd',
    first.slice(1),
    `${first.slice(0, 20)}=!`,
  ]) {
    expect(createMemberNames().accepts(bad), bad).toBe(bad === first)
  }
})
