import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import yauzl from 'yauzl'
import type { CopyCodec } from '../../src/core/bytes/copy.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { endBytesMax } from '../../src/core/zip/zip-records.ts'
import { decodeCopy } from '../../src/packs/codec/codec.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import {
  type ReadMember,
  readPackMembers,
  withCopies,
} from '../../src/packs/format/pack-directory.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import { decodeEnd, encodeEnd } from '../../src/packs/format/pack-records.ts'
import type { PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { isPresent, type Member, makeMember, readDirectory, split } from './pack-members.ts'
import { stride, turns } from '../turns.ts'
import { fileDirectory } from '../temporary-directory.ts'

const run = promisify(execFile)
const damaged = expect.objectContaining({ code: 'blob_damaged' })
const root = fileDirectory()
let store: PackStore

beforeAll(async () => {
  store = await openLocalPackStore({ directory: root })
})

afterAll(async () => {
  await store.close()
})

function pathOf({ name }: SealedPack): string {
  return join(root, 'packs', name.slice(0, 2), `${name}.zip`)
}

async function writePack(members: Member[]): Promise<{ sealed: SealedPack; offsets: number[] }> {
  const writer = await openPackWriter(store)
  const offsets: number[] = []
  for (const [index, member] of members.entries()) {
    const body = index % 2 === 0 ? member.stream : split(member.stream, 1000)
    offsets.push((await writer.append(member, body)).offset)
  }
  expect(writer.copyCount).toBe(members.length)
  const counted = writer.bytesWritten
  const sealed = await writer.seal()
  // Little follows what the writer had counted: the end record, a final block, and the list of a
  // joined member.
  const left = sealed.sizeBytes - counted
  expect(left).toBeGreaterThanOrEqual(22)
  expect(left).toBeLessThanOrEqual(22 + 400 + 50 * members.length)
  return { sealed, offsets }
}

async function readAll(
  from: Pick<PackStore, 'read'>,
  { name, sizeBytes }: SealedPack,
): Promise<ReadMember[]> {
  const read: ReadMember[] = []
  const members = readPackMembers(from, name, sizeBytes)
  for await (const member of withCopies(from, name, members)) read.push(member)
  return read
}

const members = fc.array(
  fc
    .tuple(
      fc.constantFrom<CopyCodec>('joining', 'deflate', 'stored'),
      fc.oneof(
        fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
        fc.tuple(fc.string(), fc.nat(3000)).map(([text, times]) => Buffer.from(text.repeat(times))),
      ),
    )
    .map(([codec, content]) => ({ codec, content })),
  { minLength: 1, maxLength: 12 },
)

test('appended copies are where the writer and the directory say', async () => {
  await fc.assert(
    fc.asyncProperty(members, async (drawn) => {
      const made = await Promise.all(drawn.map(({ codec, content }) => makeMember(codec, content)))
      const { sealed, offsets } = await writePack(made)
      const entries = await readDirectory(store, sealed)
      expect(entries.map((entry) => entry.offset)).toEqual(offsets)
      for (const [index, member] of made.entries()) {
        const stored = await store.read(sealed.name, offsets[index]!, member.lengthBytes)
        expect(stored.equals(member.stream)).toBe(true)
        const content = decodeCopy(member.codec, stored, member.sizeBytes)
        expect(content.equals(member.content)).toBe(true)
        const { codec, lengthBytes } = member
        const isShared = entries[index]?.crc32 === null
        expect(isShared && codec !== 'joining').toBe(false)
        expect(entries[index]).toMatchObject({
          method: codec === 'stored' ? 0 : 8,
          crc32: isShared ? null : member.crc32,
          sizeBytes: member.sizeBytes,
          lengthBytes: codec === 'joining' && !isShared ? lengthBytes + 2 : lengthBytes,
        })
      }
    }),
    { numRuns: turns(40) },
  )
})

async function yauzlContents(path: string): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  const zip = await yauzl.openPromise(path, { autoClose: false })
  try {
    for await (const entry of zip.eachEntry()) {
      contents.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)))
    }
  } finally {
    zip.close()
  }
  return contents
}

/** Splits an unpacked pack as a person would: the names and lengths are in the lists. */
function splitByLists(unpacked: Map<string, Buffer>): Map<string, Buffer> {
  const contents = new Map<string, Buffer>()
  for (const [name, bytes] of unpacked) {
    if (name.endsWith('.txt')) continue
    const list = unpacked.get(`${name}.txt`)
    if (list === undefined) contents.set(name, bytes)
    let at = 0
    for (const line of list?.toString().trimEnd().split('\n') ?? []) {
      const [named, sizeBytes] = line.split(' ')
      contents.set(named!, bytes.subarray(at, at + Number(sizeBytes)))
      at += Number(sizeBytes)
    }
    expect(at).toBe(list === undefined ? 0 : bytes.length)
  }
  return contents
}

test('other zip readers find the same contents under the same names', async () => {
  await fc.assert(
    fc.asyncProperty(members, async (drawn) => {
      const made = await Promise.all(drawn.map(({ codec, content }) => makeMember(codec, content)))
      const { sealed } = await writePack(made)
      const entries = await readDirectory(store, sealed)
      const fromYauzl = await yauzlContents(pathOf(sealed))
      const fromFflate = unzipSync(await readFile(pathOf(sealed)))
      expect(Object.keys(fromFflate)).toEqual([...fromYauzl.keys()])
      const contents = splitByLists(fromYauzl)
      expect([...contents.keys()]).toEqual(entries.map((entry) => entry.name))
      for (const [index, { name }] of entries.entries()) {
        expect(contents.get(name)?.equals(made[index]!.content)).toBe(true)
      }
      for (const [name, bytes] of fromYauzl) {
        expect(Buffer.from(fromFflate[name]!).equals(bytes)).toBe(true)
      }
    }),
    { numRuns: turns(20) },
  )
})

async function mixedMembers(): Promise<Member[]> {
  const text = Buffer.from('some text, again and again; '.repeat(5000))
  return await Promise.all([
    makeMember('joining', text),
    makeMember('joining', Buffer.alloc(0)),
    makeMember('joining', randomBytes(200_000)),
    makeMember('deflate', text),
    makeMember('stored', text),
    makeMember('stored', Buffer.alloc(0)),
    makeMember('deflate', Buffer.alloc(0)),
    makeMember('stored', randomBytes(3_000_000)),
  ])
}

test.runIf(await isPresent('unzip'))('unzip finds no fault with a pack', async () => {
  const { sealed } = await writePack(await mixedMembers())
  const { stdout } = await run('unzip', ['-t', pathOf(sealed)])
  expect(stdout).toContain('No errors detected')
})

test.runIf(await isPresent('python3'))("Python's zipfile finds no fault with a pack", async () => {
  const { sealed } = await writePack(await mixedMembers())
  const script =
    'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);print(z.testzip(),len(z.namelist()))'
  const { stdout } = await run('python3', ['-c', script, pathOf(sealed)])
  expect(stdout.trim()).toBe('None 8')
})

test('a member is named by 22 characters of its digest, with a number if the name is taken', async () => {
  const content = Buffer.from('the same')
  const made = await Promise.all([
    makeMember('joining', content),
    makeMember('stored', content),
    makeMember('stored', Buffer.from('another')),
    makeMember('deflate', content),
    // Alone, because the space for the name of a shared member is too short for its own.
    makeMember('joining', content),
    makeMember('stored', Buffer.from('one more')),
  ])
  const { sealed, offsets } = await writePack(made)
  for (const [index, { stream }] of made.entries())
    expect(await store.read(sealed.name, offsets[index]!, stream.length)).toEqual(stream)
  const short = Buffer.from(digestOf(content), 'hex').subarray(0, 16).toString('base64url')
  expect(short).toHaveLength(22)
  const names = (await readDirectory(store, sealed)).map((entry) => entry.name)
  expect(names.filter((name) => name.startsWith(short))).toEqual([
    short,
    `${short}.1`,
    `${short}.2`,
    `${short}.3`,
  ])
})

// Changing these bytes makes packs that older versions may not read.
test('golden: the bytes of a pack never change', async () => {
  const made = [
    await makeMember('joining', Buffer.from('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')),
    await makeMember('stored', Buffer.from('bb')),
  ]
  const { sealed } = await writePack(made)
  const bytes = await readFile(pathOf(sealed))
  expect(bytes.toString('hex').replace(/.{1,80}/g, '$&\n')).toMatchInlineSnapshot(`
    "504b0304140000000800000021007717b1ca0c00000020000000160000004f365031394475535943
    6144775a72755971494451674a4cc40f00000000ffff0300504b03040a000000000000002100ae1b
    aeb50200000002000000160000004f3254626c63745678324d35484842784345696134516262504b
    01021400140000000800000021007717b1ca0c000000200000001600000000000000000000000000
    000000004f3650313944755359436144775a7275597149445167504b01020a000a00000000000000
    2100ae1baeb502000000020000001600000000000000000000000000400000004f3254626c637456
    78324d3548484278434569613451504b0506000000000200020088000000760000000000
    "
  `)
})

test('a member costs 76 bytes and its name twice, and a copy in a joined member about 20 bytes', async () => {
  const costs: number[] = []
  for (const codec of ['stored', 'joining'] as const) {
    const members = await Promise.all(
      Array.from({ length: 1000 }, (_, index) => makeMember(codec, Buffer.from(`text ${index}`))),
    )
    const { sealed } = await writePack(members)
    const streams = members.reduce((sum, member) => sum + member.lengthBytes, 0)
    costs.push((sealed.sizeBytes - 22 - streams) / members.length)
  }
  expect(costs[0]).toBe(76 + 2 * 22)
  expect(costs[1]).toBeGreaterThan(16)
  expect(costs[1]).toBeLessThan(22)
})

test('joined members are bounded in copies and bytes', async () => {
  const small = Array.from({ length: 3000 }, (_, index) => Buffer.from(`text ${index}`))
  const large = Array.from({ length: 30 }, () => randomBytes(60_000))
  const contents = [...small, ...large, randomBytes(limits.joinedMemberBytes / 4)]
  const made = await Promise.all(contents.map((content) => makeMember('joining', content)))
  const { sealed } = await writePack(made)
  const read = await readAll(store, sealed)
  const lists = read.filter(({ kind }) => kind === 'list')
  // A copy that does not fit begins the next one; the last is too long to join.
  expect(lists.map(({ copies }) => copies.length)).toEqual([1024, 1024, 960, 8, 8, 6])
  expect(read.at(-1)).toMatchObject({ kind: 'single' })
  for (const { kind, member } of read) {
    if (kind === 'joined') expect(member.storedBytes).toBeLessThanOrEqual(512 * 1024 + 2)
  }
  // Other programs read the header of a joined member, which is written last.
  const unzipped = Object.entries(unzipSync(await readFile(pathOf(sealed))))
  const found = splitByLists(new Map(unzipped.map(([name, bytes]) => [name, Buffer.from(bytes)])))
  expect([...found.values()].map(digestOf)).toEqual(contents.map(digestOf))
})

test('a directory of several pages lists every member', async () => {
  const contents = Array.from({ length: 2000 }, (_, index) => Buffer.from(`text ${index}`))
  const made = await Promise.all(contents.map((content) => makeMember('stored', content)))
  const { sealed, offsets } = await writePack(made)
  expect((await readDirectory(store, sealed)).map(({ offset }) => offset)).toEqual(offsets)
})

/** A store that holds one pack in memory, whatever its bytes. */
function holding(bytes: Buffer): Pick<PackStore, 'read'> {
  return {
    read: async (_name, offset, lengthBytes) => {
      expect(offset).toBeGreaterThanOrEqual(0)
      expect(offset + lengthBytes).toBeLessThanOrEqual(bytes.length)
      return bytes.subarray(offset, offset + lengthBytes)
    },
  }
}

// The directory and the end record are the only bytes that the reader sees, and every one of them
// matters.
test('an end record that contradicts the members or the directory is damage', async () => {
  const { sealed } = await writePack(await mixedMembers())
  const bytes = await readFile(pathOf(sealed))
  const tailOffset = Math.max(0, bytes.length - endBytesMax)
  const end = decodeEnd(bytes.subarray(tailOffset), tailOffset)!
  const { memberCount, directoryBytes, directoryOffset } = end
  const directoryEnd = directoryOffset + directoryBytes
  const withEnd = (gapBytes: number, count: number): Buffer =>
    Buffer.concat([
      bytes.subarray(0, directoryOffset),
      Buffer.alloc(gapBytes),
      bytes.subarray(directoryOffset, directoryEnd),
      encodeEnd({
        memberCount: count,
        directoryBytes,
        directoryOffset: directoryOffset + gapBytes,
      }),
    ])
  expect(withEnd(0, memberCount).equals(bytes)).toBe(true)
  for (const [gapBytes, count] of [
    [0, memberCount + 1],
    [0, memberCount - 1],
    [1, memberCount],
  ] as const) {
    const other = withEnd(gapBytes, count)
    const read = readAll(holding(other), { ...sealed, sizeBytes: other.length })
    await expect(read).rejects.toEqual(damaged)
  }
})

test('any change to a directory or to the end record is damage', async () => {
  const made = await mixedMembers()
  const { sealed } = await writePack(made)
  const bytes = await readFile(pathOf(sealed))
  const expected = await readAll(store, sealed)
  const directoryOffset = bytes.readUInt32LE(bytes.length - 6)
  for (let at = directoryOffset; at < bytes.length; at += stride) {
    for (const flip of [1, 0x80]) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= flip
      const answer = await readAll(holding(changed), sealed).catch((error: unknown) => error)
      // A name, a CRC or a size describes the content, so only the content can contradict it.
      if (Array.isArray(answer)) {
        expect(answer).not.toEqual(expected)
        expect(answer.map(placeOf)).toEqual(expected.map(placeOf))
      } else expect(answer, `byte ${at - directoryOffset}`).toEqual(damaged)
    }
  }
})

function placeOf({ member: { method, offset, storedBytes } }: ReadMember): number[] {
  return [method, offset, storedBytes]
}

test('a pack that is truncated or has bytes added is damaged', async () => {
  const { sealed } = await writePack(await mixedMembers())
  const bytes = await readFile(pathOf(sealed))
  for (const changed of [
    bytes.subarray(0, bytes.length - 1),
    bytes.subarray(0, 21),
    bytes.subarray(0, 0),
    bytes.subarray(1),
    Buffer.concat([bytes, Buffer.from('x')]),
    Buffer.concat([Buffer.from('x'), bytes]),
  ]) {
    const reading = readDirectory(holding(changed), {
      name: sealed.name,
      sizeBytes: changed.length,
    })
    await expect(reading).rejects.toEqual(damaged)
  }
})

test('random bytes are reported as a damaged pack', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (drawn) => {
      const bytes = Buffer.from(drawn)
      const sealed = { name: '0'.repeat(32), sizeBytes: bytes.length }
      await expect(readDirectory(holding(bytes), sealed)).rejects.toEqual(damaged)
    }),
  )
})
