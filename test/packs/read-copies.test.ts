/** Copies of a pack, recognized without the metadata. `rebuild.test.ts` recovers whole stores. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import { checksOf } from '../../src/packs/format/page-checks.ts'
import type { PackCopyEntry } from '../../src/packs/format/pack-directory.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { readCopies } from '../../src/packs/read-copies.ts'
import { testDirectory } from '../temporary-directory.ts'
import { type Member, makeMember, recognizeAll } from './pack-members.ts'

async function packOf(
  members: Member[],
): Promise<{ store: PackStore; sealed: SealedPack; copies: PackCopyEntry[] }> {
  const store = await openLocalPackStore({ directory: testDirectory() })
  const writer = await openPackWriter(store)
  for (const member of members) await writer.append(member, member.stream)
  const sealed = await writer.seal()
  const { copies } = await readCopies(store, sealed.name, sealed.sizeBytes)
  return { store, sealed, copies }
}

// Otherwise an outage during a rebuild would drop what is intact.
test('a pack that cannot be read now is not a damaged one', async () => {
  const large = randomBytes(4 * limits.checkPageBytes + 1)
  const made = [await makeMember('stored', Buffer.from('small')), await makeMember('stored', large)]
  const { store: packs, sealed, copies } = await packOf(made)
  const outage = storeError('busy', 'does not respond', { what: 'pack storage' })
  let failures = 1
  const once: Pick<PackStore, 'read'> = {
    read: async (...place) => {
      if (failures-- > 0) throw outage
      return await packs.read(...place)
    },
  }
  await expect(readCopies(once, sealed.name, sealed.sizeBytes)).rejects.toBe(outage)
  const store = { read: async () => await Promise.reject(outage) }
  for (const copy of copies)
    await expect(recognizeAll(store, sealed.name, [copy])).rejects.toBe(outage)
})

test.each([
  ['read at once', 5000],
  ['read in pages', 4 * limits.checkPageBytes + 1],
])(
  'a copy %s is what its bytes are, and none if they contradict its name, CRC-32 or size',
  async (_, size) => {
    const member = await makeMember('stored', randomBytes(size))
    const { store, sealed, copies } = await packOf([member])
    const copy = copies[0]!
    const { offset, lengthBytes } = copy
    const streamDigest = digestOf(member.stream)
    const reading = {
      blob: { digest: digestOf(member.content), sizeBytes: size, crc32: copy.crc32 },
      streamDigest,
      codec: 'stored',
      offset,
      lengthBytes,
      checks: checksOf(member.stream),
    }
    expect(await recognizeAll(store, sealed.name, [copy])).toEqual([[reading]])
    for (const wrong of [
      { name: 'A'.repeat(22) },
      { crc32: copy.crc32! ^ 1 },
      { sizeBytes: size + 1 },
    ])
      expect(await recognizeAll(store, sealed.name, [{ ...copy, ...wrong }])).toEqual([[]])
  },
)

test('an empty copy is a foreign stream as well only where a final block of its own follows', async () => {
  const empty = await makeMember('joining', Buffer.alloc(0))
  const other = await makeMember('joining', Buffer.from('other'))
  const found: number[] = []
  for (const members of [[empty], [empty, other]]) {
    const { store, sealed, copies } = await packOf(members)
    const [readings] = await recognizeAll(store, sealed.name, copies)
    found.push(readings!.length)
  }
  expect(found).toEqual([2, 1])
})

// Goal: a restore from a bucket with thousands of small files takes a request per mebibyte.
test('small neighbours are read together, and one by one where the medium fails', async () => {
  const contents = Array.from({ length: 3000 }, () => randomBytes(1000))
  const large = randomBytes(4 * limits.checkPageBytes + 1)
  const members: Member[] = []
  for (const content of [...contents, large]) members.push(await makeMember('stored', content))
  const { store, sealed, copies } = await packOf(members)
  const bad = copies[10]!.offset
  let isBad = false
  const reads: number[] = []
  const medium: Pick<PackStore, 'read'> = {
    read: async (name, offset, lengthBytes) => {
      reads.push(lengthBytes)
      if (isBad && offset <= bad && bad < offset + lengthBytes)
        throw storeError('blob_damaged', 'bad sector', { digest: null, paths: [] })
      return await store.read(name, offset, lengthBytes)
    },
  }
  const digests = async (): Promise<(string | undefined)[]> =>
    (await recognizeAll(medium, sealed.name, copies)).map(([copy]) => copy?.blob.digest)
  const expected: (string | undefined)[] = [...contents, large].map(digestOf)
  expect(await digests()).toEqual(expected)
  // The large one is read in pages.
  expect(reads.length).toBeLessThan(15)
  expect(Math.max(...reads)).toBeLessThanOrEqual(limits.readWindowBytes)
  isBad = true
  expected[10] = undefined
  expect(await digests()).toEqual(expected)
})
