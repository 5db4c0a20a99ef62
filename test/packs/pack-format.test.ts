import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import yauzl from 'yauzl'
import type { CopyCodec } from '../../src/core/copy.ts'
import { crc32 } from '../../src/core/crc32.ts'
import { digestOf } from '../../src/core/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { decodeCopy, encodeJoining } from '../../src/packs/codec.ts'
import { openLocalPackStore } from '../../src/packs/local.ts'
import { type PackDirectoryEntry, readPackDirectory } from '../../src/packs/pack-directory.ts'
import { type PackMember, openPackWriter } from '../../src/packs/pack-format.ts'
import type { PackSink, PackStore, SealedPack } from '../../src/packs/pack-store.ts'

const run = promisify(execFile)
const damaged = expect.objectContaining({ code: 'blob_damaged' })
let root: string
let store: PackStore

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trove-format-'))
  store = await openLocalPackStore({ directory: root })
})

afterAll(async () => {
  await store.close()
  await rm(root, { recursive: true })
})

function pathOf({ name }: SealedPack): string {
  return join(root, 'packs', name.slice(0, 2), `${name}.zip`)
}

interface Member extends PackMember {
  content: Buffer
  stream: Buffer
}

async function makeMember(
  codec: CopyCodec,
  content: Buffer,
  digest = digestOf(content),
): Promise<Member> {
  const stream =
    codec === 'joining'
      ? await encodeJoining(content, 6)
      : codec === 'deflate'
        ? deflateRawSync(content)
        : content
  return {
    blobDigest: digest,
    codec,
    crc32: crc32(content),
    sizeBytes: content.length,
    lengthBytes: stream.length,
    content,
    stream,
  }
}

async function* split(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function writePack(members: Member[]): Promise<{ sealed: SealedPack; offsets: number[] }> {
  const writer = await openPackWriter(store)
  const offsets: number[] = []
  for (const [index, member] of members.entries()) {
    const body = index % 2 === 0 ? member.stream : split(member.stream, 1000)
    offsets.push((await writer.append(member, body)).offset)
  }
  expect(writer.memberCount).toBe(members.length)
  const sealed = await writer.seal()
  expect(writer.name).toBe(sealed.name)
  // Nothing but the end record comes after what the writer had counted.
  expect(sealed.sizeBytes - writer.bytesWritten).toBe(22)
  return { sealed, offsets }
}

async function readDirectory(
  from: Pick<PackStore, 'read'>,
  { name, sizeBytes }: SealedPack,
): Promise<PackDirectoryEntry[]> {
  const entries: PackDirectoryEntry[] = []
  for await (const entry of readPackDirectory(from, name, sizeBytes)) entries.push(entry)
  return entries
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

test('what is appended is where the writer says, and the directory says the same', async () => {
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
        expect(entries[index]).toMatchObject({
          codecMethod: codec === 'stored' ? 0 : 8,
          crc32: member.crc32,
          sizeBytes: member.sizeBytes,
          lengthBytes: codec === 'joining' ? lengthBytes + 2 : lengthBytes,
        })
      }
    }),
    { numRuns: 40 },
  )
})

async function yauzlContents(path: string): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  const zip = await yauzl.openPromise(path, { autoClose: false })
  try {
    for await (const entry of zip.eachEntry()) {
      const pieces: Buffer[] = []
      for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer)
      contents.set(entry.fileName, Buffer.concat(pieces))
    }
  } finally {
    zip.close()
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
      expect([...fromYauzl.keys()]).toEqual(entries.map((entry) => entry.name))
      for (const [index, { name }] of entries.entries()) {
        expect(fromYauzl.get(name)?.equals(made[index]!.content)).toBe(true)
        expect(Buffer.from(fromFflate[name]!).equals(made[index]!.content)).toBe(true)
      }
    }),
    { numRuns: 20 },
  )
})

/** Whether a program is on this machine; `unzip` and Python judge packs only where they are. */
async function isPresent(program: string): Promise<boolean> {
  return await run(program, [program === 'unzip' ? '-v' : '--version']).then(
    () => true,
    () => false,
  )
}

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

test('a member is named by 22 characters of its digest, and gets a number when the name is taken', async () => {
  const content = Buffer.from('the same')
  const made = await Promise.all([
    makeMember('joining', content),
    makeMember('stored', content),
    makeMember('stored', Buffer.from('another')),
    makeMember('deflate', content),
  ])
  const { sealed } = await writePack(made)
  const short = Buffer.from(digestOf(content), 'hex').subarray(0, 16).toString('base64url')
  expect(short).toHaveLength(22)
  const names = (await readDirectory(store, sealed)).map((entry) => entry.name)
  expect(names.filter((name) => name.startsWith(short))).toEqual([
    short,
    `${short}.1`,
    `${short}.2`,
  ])
})

// A change here makes packs that older readers may not know, and that older packs do not equal.
test('a pack is these bytes', async () => {
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

test('a small member costs 76 bytes and its name twice, and two more when it joins', async () => {
  for (const [codec, extra] of [
    ['joining', 2],
    ['stored', 0],
  ] as const) {
    const writer = await openPackWriter(store)
    const sizes: number[] = []
    for (let index = 0; index < 3; index++) {
      const member = await makeMember(codec, Buffer.from(`content ${index}`))
      const before = writer.bytesWritten
      await writer.append(member, member.stream)
      sizes.push(writer.bytesWritten - before - member.lengthBytes)
    }
    await writer.abort()
    expect(sizes).toEqual(Array.from({ length: 3 }, () => 76 + 2 * 22 + extra))
  }
})

test('small members are gathered into few large writes', async () => {
  const writes: number[] = []
  const member = await makeMember('stored', randomBytes(500))
  const writer = await openPackWriter({ create: async () => countingSink(writes) })
  for (let index = 0; index < 10_000; index++) await writer.append(member, member.stream)
  const { sizeBytes } = await writer.seal()
  expect(writes.length).toBeLessThanOrEqual(Math.ceil(sizeBytes / limits.packWriteBytes) + 1)
  expect(Math.max(...writes)).toBeLessThanOrEqual(limits.packWriteBytes)
})

function countingSink(writes: number[]): PackSink {
  let sizeBytes = 0
  return {
    name: '0'.repeat(32),
    write: async (bytes) => {
      writes.push(bytes.length)
      sizeBytes += bytes.length
    },
    seal: async () => ({ name: '0'.repeat(32), sizeBytes }),
    abort: async () => {},
  }
}

test('a body of another length than announced is refused, and the pack can only be aborted', async () => {
  const member = await makeMember('stored', Buffer.from('0123456789'))
  const longer = Buffer.from('0123456789+')
  for (const body of [
    longer,
    member.content.subarray(1),
    split(longer, 1),
    split(member.content.subarray(1), 4),
  ]) {
    const writer = await openPackWriter(store)
    await writer.append(member, member.stream)
    await expect(writer.append(member, body)).rejects.toThrow(/expected 10 bytes, got (9|11)/)
    await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
    await expect(writer.seal()).rejects.toThrow(/is over/)
    await writer.abort()
  }
  expect(await store.removeUnsealed(Number.POSITIVE_INFINITY)).toBe(0)
})

test('a body that fails leaves a pack that can only be aborted', async () => {
  const cause = new Error('the body broke')
  async function* broken(): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.from('01234')
    throw cause
  }
  const member = await makeMember('stored', Buffer.from('0123456789'))
  const writer = await openPackWriter(store)
  await expect(writer.append(member, broken())).rejects.toBe(cause)
  await expect(writer.seal()).rejects.toThrow(/is over/)
  await writer.abort()
})

test('two calls at once, a call after the end, and an empty pack are refused', async () => {
  const member = await makeMember('stored', Buffer.from('content'))
  const writer = await openPackWriter(store)
  const first = writer.append(member, split(member.stream, 2))
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is busy/)
  await first
  await writer.seal()
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
  await writer.abort()
  const empty = await openPackWriter(store)
  await expect(empty.seal()).rejects.toThrow(/without members/)
  await empty.abort()
})

test('an abort in the middle of an append has the last word', async () => {
  const member = await makeMember('stored', Buffer.from('content'))
  const writer = await openPackWriter(store)
  const append = writer.append(member, split(member.stream, 2))
  await writer.abort()
  await append
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
})

test('a pack of more than 65,535 members is a ZIP64 that every reader reads', async () => {
  const count = 70_000
  const writer = await openPackWriter(store)
  for (let index = 0; index < count; index++) {
    const content = Buffer.from(`${index}`)
    const blobDigest = digestOf(content)
    const sizes = { sizeBytes: content.length, lengthBytes: content.length }
    await writer.append({ blobDigest, codec: 'stored', crc32: crc32(content), ...sizes }, content)
  }
  const sealed = await writer.seal()
  const entries = await readDirectory(store, sealed)
  expect(entries.length).toBe(count)
  expect(entries[69_999]).toMatchObject({ sizeBytes: 5, codecMethod: 0 })
  const last = await store.read(sealed.name, entries[69_999]!.offset, 5)
  expect(last.toString()).toBe('69999')
  const zip = await yauzl.openPromise(pathOf(sealed))
  expect(zip.entryCount).toBe(count)
  zip.close()
  if (await isPresent('unzip')) {
    const { stdout } = await run('unzip', ['-tqq', pathOf(sealed)])
    expect(stdout).toBe('')
  }
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

// The directory and the end are the only bytes that the reader sees, and each of them counts.
test('any change to a directory or to its end is damage', async () => {
  const made = await mixedMembers()
  const { sealed } = await writePack(made)
  const bytes = await readFile(pathOf(sealed))
  const expected = await readDirectory(store, sealed)
  const directoryOffset = bytes.readUInt32LE(bytes.length - 6)
  for (let at = directoryOffset; at < bytes.length; at++) {
    for (const flip of [1, 0x80]) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= flip
      const answer = await readDirectory(holding(changed), sealed).catch((error: unknown) => error)
      // A name, a CRC or a size says something of the content alone, so only the content can contradict it.
      if (Array.isArray(answer)) {
        expect(answer).not.toEqual(expected)
        expect(answer.map(placeOf)).toEqual(expected.map(placeOf))
      } else expect(answer, `byte ${at - directoryOffset}`).toEqual(damaged)
    }
  }
})

function placeOf({ codecMethod, offset, lengthBytes }: PackDirectoryEntry): number[] {
  return [codecMethod, offset, lengthBytes]
}

test('a pack that is cut short or has bytes added is damage', async () => {
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

test('random bytes are no pack, and say so', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (drawn) => {
      const bytes = Buffer.from(drawn)
      const sealed = { name: '0'.repeat(32), sizeBytes: bytes.length }
      await expect(readDirectory(holding(bytes), sealed)).rejects.toEqual(damaged)
    }),
  )
})

test('a failing store leaves nothing visible and passes its error on', async () => {
  const cause = new Error('no more')
  const member = await makeMember('stored', randomBytes(limits.packWriteBytes))
  let writesLeft = 2
  let aborted = false
  const sink: PackSink = {
    ...countingSink([]),
    write: async () => {
      if (writesLeft-- === 0) throw cause
    },
    abort: async () => {
      aborted = true
    },
  }
  const writer = await openPackWriter({ create: async () => sink })
  const append = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await writer.append(member, member.stream)
  }
  await expect(append()).rejects.toBe(cause)
  await writer.abort()
  expect(aborted).toBe(true)
})
