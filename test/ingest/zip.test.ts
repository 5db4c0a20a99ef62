import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync, chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import archiver from 'archiver'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { representZip } from '../../src/egress/egress.ts'
import { noise } from '../actions/archives.ts'
import { buildZip, type ZipMemberSpec, type ZipSpec } from '../corpus/build-zip.ts'
import { expectNothing, openStore, readAll, type TestStore } from './open-store.ts'
import { turns } from '../turns.ts'
import { testDirectory } from '../temporary-directory.ts'

/** Makes a zip as the stock client writes it (GITHUB-PROTOCOL §14). */
async function stockZip(
  files: { name: string; content: Buffer; mode?: number }[],
  level = 6,
): Promise<Buffer> {
  const archive = archiver('zip', { zlib: { level } })
  const pieces: Buffer[] = []
  archive.on('data', (piece: Buffer) => pieces.push(piece))
  for (const file of files) {
    archive.append(file.content, {
      name: file.name,
      mode: file.mode ?? 0o644,
      date: new Date(Date.UTC(2026, 0, 2, 3, 4, 6)),
    })
  }
  await archive.finalize()
  return Buffer.concat(pieces)
}

async function entriesOf(store: TestStore, artifactId: number): Promise<string[]> {
  const page = await store.metadata.readEntryPage(artifactId, 0)
  return (page?.entries ?? []).map(
    (entry) =>
      `${entry.kind} ${entry.mode.toString(8)} ${entry.path}${entry.kind === 'symlink' ? ` -> ${entry.target}` : ''}`,
  )
}

/** Uploads the zip, reads it back, and expects the same bytes, however it was stored. */
async function roundTrip(
  store: TestStore,
  zip: Buffer,
  name = 'dist',
): Promise<{ id: number; kind: string; reason: string | null }> {
  const { artifact } = await store.put(name, 'zip', zip)
  const back = await readAll(await representZip(store.reader, artifact))
  expect(digestOf(back)).toBe(digestOf(zip))
  expect(artifact.zipBytes).toBe(zip.length)
  expect(artifact.zipDigest).toBe(digestOf(zip))
  return { id: artifact.id, kind: artifact.kind, reason: artifact.opaqueReason }
}

describe('a zip that is taken apart', () => {
  test('a stock zip is reproduced byte for byte, with modes and names in the manifest', async () => {
    const store = await openStore()
    const zip = await stockZip([
      { name: 'b/run.sh', content: Buffer.from('#!/bin/sh\n'), mode: 0o755 },
      { name: 'a.txt', content: Buffer.from('hello hello hello hello') },
      { name: 'empty', content: Buffer.alloc(0) },
      { name: 'ünïcode/ß.txt', content: Buffer.alloc(70_000, 'x') },
    ])
    const { id, kind } = await roundTrip(store, zip)
    expect(kind).toBe('exact')
    expect(await entriesOf(store, id)).toEqual([
      'file 644 a.txt',
      'file 755 b/run.sh',
      'file 644 empty',
      'file 644 ünïcode/ß.txt',
    ])
    const page = await store.metadata.readEntryPage(id, 0)
    expect(page?.modifiedAt[0]).toBe(Date.UTC(2026, 0, 2, 3, 4, 6) / 1000)
  })

  test.each([0, 1, 6, 9])('level %i is reproduced byte for byte', async (level) => {
    const store = await openStore()
    const zip = await stockZip(
      [
        { name: 'big.bin', content: Buffer.alloc(6 * 1024 * 1024, 'abcdefgh') },
        { name: 'small', content: Buffer.from('small') },
      ],
      level,
    )
    expect((await roundTrip(store, zip)).kind).toBe('exact')
  })

  test('zips of Info-ZIP and Python, with directories and links, are reproduced byte for byte', async () => {
    const root = testDirectory()
    mkdirSync(join(root, 'tree/deep/er'), { recursive: true })
    mkdirSync(join(root, 'tree/void'))
    writeFileSync(join(root, 'tree/deep/er/file'), 'content '.repeat(100))
    writeFileSync(join(root, 'tree/tool'), 'x')
    chmodSync(join(root, 'tree/tool'), 0o750)
    symlinkSync('deep/er/file', join(root, 'tree/link'))
    execFileSync('zip', ['-qry', '../info.zip', '.'], { cwd: join(root, 'tree') })
    execFileSync('python3', ['-c', "import shutil; shutil.make_archive('py', 'zip', 'tree')"], {
      cwd: root,
    })
    const store = await openStore()
    const info = await roundTrip(store, readFileSync(join(root, 'info.zip')), 'info')
    expect(info).toMatchObject({ kind: 'exact' })
    expect(await entriesOf(store, info.id)).toEqual([
      'file 644 deep/er/file',
      'symlink 777 link -> deep/er/file',
      'file 750 tool',
      'directory 755 void',
    ])
    expect((await roundTrip(store, readFileSync(join(root, 'py.zip')), 'py')).kind).toBe('exact')
  })

  // Anything a valid writer may do with the framing: gaps, extras, comments, orders, descriptors,
  // methods.
  test('any valid layout is reproduced byte for byte', async () => {
    const store = await openStore()
    const extra = fc.constantFrom(Buffer.alloc(0), Buffer.from('feca040001020304', 'hex'))
    const member: fc.Arbitrary<Omit<ZipMemberSpec, 'name'>> = fc.record({
      content: fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array)),
      method: fc.constantFrom(0, 8),
      flags: fc.constantFrom(0, 8),
      mode: fc.constantFrom(0o100644, 0o100755, 0),
      madeBy: fc.constantFrom(0x032d, 0x0014),
      gap: fc.constantFrom(Buffer.alloc(0), Buffer.from('padding')),
      localExtra: extra,
      centralExtra: extra,
      comment: fc.constantFrom('', 'a comment'),
      descriptor: fc.constantFrom('signed' as const, 'bare' as const),
    })
    const spec: fc.Arbitrary<ZipSpec> = fc.array(member, { maxLength: 8 }).chain((members) =>
      fc.record({
        members: fc.constant(
          members.map((made, index) => ({ ...made, name: `dir/file-${index}` })),
        ),
        centralOrder: fc.shuffledSubarray([...members.keys()], {
          minLength: members.length,
          maxLength: members.length,
        }),
        comment: fc.constantFrom('', 'the end'),
        beforeDirectory: fc.constantFrom(Buffer.alloc(0), Buffer.from('more padding')),
      }),
    )
    let serial = 0
    await fc.assert(
      fc.asyncProperty(spec, async (zipSpec) => {
        const { kind } = await roundTrip(store, buildZip(zipSpec), `layout-${serial++}`)
        expect(kind).toBe('exact')
      }),
      { numRuns: turns(60) },
    )
  })

  // `03 00` is both the deflate stream of an empty file and the possible content of a two-byte
  // file.
  test.each(['in one zip', 'in two zips', 'in two zips, the other first'])(
    'a file whose content is the deflate stream of another is reproduced byte for byte, %s',
    async (order) => {
      const store = await openStore()
      const text = Buffer.from('some text, some text, some text')
      const deflated = [
        { name: 'empty', content: Buffer.alloc(0), method: 8 },
        { name: 'text', content: text, method: 8 },
      ]
      const stored = [
        { name: 'two-bytes', content: Buffer.from([3, 0]), method: 0 },
        { name: 'text.deflate', content: deflateRawSync(text), method: 0 },
      ]
      const zips =
        order === 'in one zip'
          ? [[...deflated, ...stored]]
          : order === 'in two zips'
            ? [deflated, stored]
            : [stored, deflated]
      for (const [index, members] of zips.entries()) {
        const { id, kind } = await roundTrip(store, buildZip({ members }), `zip-${index}`)
        expect(kind).toBe('exact')
        const page = await store.metadata.readEntryPage(id, 0)
        const digests = page!.entries.map((entry) => entry.kind === 'file' && entry.digest)
        expect(new Set(digests)).toEqual(new Set(members.map(({ content }) => digestOf(content))))
      }
    },
  )

  test('the same tree in another order and with other times adds next to nothing', async () => {
    const store = await openStore()
    const files = Array.from({ length: 300 }, (_, index) => ({
      name: `lib/module-${index}.js`,
      content: Buffer.from(`export const value${index} = ${'x'.repeat(index)}\n`),
    }))
    const first = await store.put('first', 'zip', await stockZip(files))
    const before = await store.packBytes()
    const shuffled = [...files].reverse()
    const second = await store.put('second', 'zip', await stockZip(shuffled))
    expect(await store.packBytes()).toBe(before)
    expect(second.artifact.newBytes).toBe(0)
    expect(second.artifact.treeDigest).toBe(first.artifact.treeDigest)
    expect(second.artifact.zipDigest).not.toBe(first.artifact.zipDigest)
  })

  test('headers of any length are kept in pages of bounded length', async () => {
    const store = await openStore()
    const extra = Buffer.alloc(60_000, 'e')
    extra.writeUInt16LE(0x7777, 0)
    extra.writeUInt16LE(extra.length - 4, 2)
    const members = Array.from({ length: 40 }, (_, index) => ({
      name: `f${index}`,
      content: `content ${index}`,
      localExtra: extra,
      centralExtra: extra,
      comment: 'c'.repeat(60_000),
    }))
    const zip = buildZip({ members })
    const { id, kind } = await roundTrip(store, zip)
    expect(kind).toBe('exact')
    const representation = await representZip(
      store.reader,
      (await store.metadata.findArtifact(id))!,
    )
    for (let number = 0; ; number++) {
      const page = await store.metadata.readSkeletonPage(id, number)
      if (page === undefined) break
      expect(inflateRawSync(page.bytes).length).toBeLessThan(1.25 * limits.skeletonPageBytes)
      for (const start of [page.localOffset, page.centralOffset]) {
        const from = Math.max(start - 1, 0)
        const part = await readAll(representation, from, start + 1)
        expect(part.equals(zip.subarray(from, start + 1))).toBe(true)
      }
    }
  })

  test('an empty zip is an artifact without entries', async () => {
    const store = await openStore()
    const { id, kind } = await roundTrip(store, buildZip({ members: [] }))
    expect(kind).toBe('exact')
    expect(await entriesOf(store, id)).toEqual([])
  })
})

describe('a zip that cannot be taken apart safely is kept whole', () => {
  /** More than the part of a member that is held in memory. */
  const large = noise(5 * 1024 * 1024)
  const file = (name: string, more: Partial<ZipMemberSpec> = {}): ZipMemberSpec => ({
    name,
    content: 'some content, some content',
    ...more,
  })
  const empty = (more: Partial<ZipMemberSpec>): ZipMemberSpec =>
    file('a', { content: '', stored: Buffer.alloc(0), method: 0, ...more })
  const unicodeName = (name: string): Buffer =>
    Buffer.concat([Buffer.from([0x75, 0x70, 5 + name.length, 0, 1, 0, 0, 0, 0]), Buffer.from(name)])
  /** A header whose size is in the ZIP64 field. */
  const escapedSize = { claims: { sizeBytes: 0xffffffff } }
  test.each<[string, ZipSpec, RegExp]>([
    ['encrypted', { members: [file('a', { flags: 1 })] }, /encrypted/],
    ['strongly encrypted', { members: [file('a', { flags: 1 << 6 })] }, /encrypted/],
    [
      'an unsupported method',
      { members: [file('a', { method: 12, stored: Buffer.from('bz') })] },
      /method 12/,
    ],
    [
      'overlapping members',
      { members: [file('a'), file('b', { claims: { localOffset: 0 } })] },
      /overlap/,
    ],
    ['a repeated name', { members: [file('a'), file('a')] }, /twice/],
    ['a file that is a directory', { members: [file('a'), file('a/b')] }, /twice/],
    ['a climbing name', { members: [file('../../etc/passwd')] }, /"\.\." segment/],
    ['an absolute name', { members: [file('/etc/passwd')] }, /absolute/],
    ['a drive letter', { members: [file('C:/windows')] }, /drive letter/],
    ['a control character', { members: [file('a\u0007b')] }, /control character/],
    ['a NUL', { members: [file('a\0b')] }, /control character/],
    [
      'a name that is not UTF-8',
      { members: [file(Buffer.from([0x66, 0xfc]) as unknown as string)] },
      /not UTF-8/,
    ],
    [
      'a link target that is not UTF-8',
      { members: [file('a', { mode: 0o120777, content: Buffer.from([0x66, 0xfc]) })] },
      /not UTF-8/,
    ],
    [
      'a size too small',
      { members: [file('a', { claims: { sizeBytes: 3 } })] },
      /holds more than the 3/,
    ],
    [
      'a size too large',
      { members: [file('a', { claims: { sizeBytes: 300 } })] },
      /header says 300/,
    ],
    ['a wrong CRC', { members: [file('a', { claims: { crc32: 1 } })] }, /CRC/],
    ['a wrong CRC of nothing', { members: [empty({ claims: { crc32: 1 } })] }, /CRC/],
    ['an empty stream', { members: [empty({ method: 8 })] }, /broken/],
    ['a link without a target', { members: [empty({ mode: 0o120777 })] }, /no target/],
    ['a directory with content', { members: [file('d/')] }, /directory has content/],
    [
      'a distant member',
      { members: [file('a', { gap: Buffer.alloc(9e6) })] },
      /between its members/,
    ],
    ['no local header', { members: [file('a', { claims: { localOffset: 1 } })] }, /is missing/],
    ['two methods', { members: [file('a', { localClaims: { method: 0 } })] }, /header disagrees/],
    [
      'two sizes of a stored member',
      { members: [file('a', { method: 0, claims: { sizeBytes: 3 } })] },
      /two different sizes/,
    ],
    ['two names', { members: [file('a', { localClaims: { name: 'b' } })] }, /local name/],
    ['two sizes', { members: [file('a', { localClaims: { sizeBytes: 5 } })] }, /local size/],
    [
      'two sizes, one of them in a ZIP64 field',
      {
        members: [
          file('a', {
            localClaims: { sizeBytes: 0xffffffff },
            localExtra: Buffer.concat([Buffer.from([1, 0, 16, 0, 5]), Buffer.alloc(15)]),
          }),
        ],
      },
      /local size/,
    ],
    [
      'another name in Unicode',
      { members: [file('a', { centralExtra: unicodeName('../a') })] },
      /Unicode form/,
    ],
    [
      'another name in Unicode in the local header',
      { members: [file('a', { localExtra: unicodeName('b') })] },
      /Unicode form/,
    ],
    ['a broken stream', { members: [file('a', { stored: Buffer.from('not deflate') })] }, /broken/],
    [
      'bytes after a stream',
      {
        members: [
          file('a', {
            stored: Buffer.concat([
              deflateRawSync('some content, some content'),
              Buffer.from('tail'),
            ]),
          }),
        ],
      },
      /after its deflate stream/,
    ],
    [
      'bytes after a large stream',
      {
        members: [
          {
            name: 'a',
            content: large,
            stored: Buffer.concat([deflateRawSync(large), Buffer.alloc(700_000)]),
          },
        ],
      },
      /after its deflate stream/,
    ],
    [
      'a large stream that is truncated',
      { members: [{ name: 'a', content: large, stored: deflateRawSync(large).subarray(0, -9) }] },
      /is broken/,
    ],
    [
      'a ZIP64 field without the size',
      { members: [file('a', { ...escapedSize, centralExtra: Buffer.from([1, 0, 2, 0, 7, 7]) })] },
      /ZIP64 field/,
    ],
    [
      'a ZIP64 field with a size that is not a safe integer',
      {
        members: [
          file('a', {
            ...escapedSize,
            centralExtra: Buffer.concat([Buffer.from([1, 0, 8, 0]), Buffer.alloc(8, 0xff)]),
          }),
        ],
      },
      /ZIP64 field/,
    ],
    [
      'a locator that points to no ZIP64 end record',
      { members: [file('a', { comment: `PK\u0006\u0007${'\0'.repeat(12)}\u0001\0\0\0` })] },
      /ZIP64 end record/,
    ],
    ['a wrong count', { members: [file('a'), file('b')], count: 1 }, /longer than its entries/],
  ])('%s', async (_title, spec, reason) => {
    const store = await openStore()
    const kept = await roundTrip(store, buildZip(spec))
    expect(kept.kind).toBe('opaque')
    expect(kept.reason).toMatch(reason)
    expect(await entriesOf(store, kept.id)).toEqual(['file 644 dist.zip'])
  })
})

test.each([
  ['unchanged where there is room for the ending', 'a'.repeat(251), 'a'.repeat(251)],
  ['shortened by a byte', 'a'.repeat(252), 'a'.repeat(251)],
  ['shortened to the maximum length of a name', 'a'.repeat(255), 'a'.repeat(251)],
  ['shortened at a character boundary', '\u{1f4e6}'.repeat(63), '\u{1f4e6}'.repeat(62)],
])('a zip that is kept whole has the name of its artifact, %s', async (_how, name, kept) => {
  const store = await openStore()
  const { id, kind } = await roundTrip(store, buildZip({ members: [{ name: '../up' }] }), name)
  expect(kind).toBe('opaque')
  expect(await entriesOf(store, id)).toEqual([`file 644 ${kept}.zip`])
  expect(await store.metadata.findArtifact(id)).toMatchObject({ name, fileName: `${kept}.zip` })
})

describe('a zip that is rejected leaves nothing behind', () => {
  async function refused(
    store: TestStore,
    zip: Buffer,
    more: object,
    failure: object,
  ): Promise<void> {
    await expect(store.put('dist', 'zip', zip, more)).rejects.toMatchObject(failure)
    await expectNothing(store)
  }

  test('truncated', async () => {
    const store = await openStore()
    const zip = await stockZip([{ name: 'a', content: Buffer.alloc(100_000, 'ab') }])
    for (const length of [zip.length - 1, zip.length - 30, 50, 3, 0]) {
      await refused(store, zip.subarray(0, length), {}, { code: 'bad_archive' })
    }
  })

  test('a wrong length or digest', async () => {
    const store = await openStore()
    const zip = await stockZip([{ name: 'a', content: Buffer.from('a') }])
    const digest = digestOf(zip)
    await refused(
      store,
      zip,
      { expected: { sizeBytes: zip.length + 1, digest } },
      {
        code: 'length_mismatch',
        details: { expectedBytes: zip.length + 1, actualBytes: zip.length },
      },
    )
    await refused(
      store,
      zip,
      { expected: { sizeBytes: zip.length, digest: digestOf(Buffer.from('other')) } },
      { code: 'digest_mismatch', details: { actual: digest } },
    )
  })

  test('a bomb with honest sizes', async () => {
    const store = await openStore()
    const bomb = buildZip({
      members: [{ name: 'zeros', content: Buffer.alloc(100 * 1024 * 1024) }],
    })
    await refused(store, bomb, {}, { code: 'too_large', details: { limit: 'inflate ratio' } })
  })

  test('more than an artifact may hold, in bytes or in entries', async () => {
    const small = await openStore({ artifactBytesMax: 1000 })
    await refused(
      small,
      buildZip({ members: [{ name: 'a', content: Buffer.alloc(1001) }] }),
      {},
      { code: 'too_large', details: { setting: 'TROVE_MAX_ARTIFACT', limitValue: 1000 } },
    )
    const few = await openStore({ entriesMax: 1 })
    await refused(
      few,
      buildZip({ members: [{ name: 'a' }, { name: 'b' }] }),
      {},
      { code: 'too_large', details: { setting: 'TROVE_MAX_ENTRIES' } },
    )
  })
})

test('a bomb that lies about its size costs no more than it admits', async () => {
  const store = await openStore()
  const bomb = buildZip({
    members: [
      { name: 'zeros', content: Buffer.alloc(64 * 1024 * 1024), claims: { sizeBytes: 1000 } },
    ],
  })
  const kept = await roundTrip(store, bomb)
  expect(kept.kind).toBe('opaque')
  expect(kept.reason).toMatch(/holds more than the 1000/)
})

test('the reason why a zip is kept whole does not quote a long name in full', async () => {
  const store = await openStore()
  const { reason } = await roundTrip(
    store,
    buildZip({ members: [{ name: '\u0001'.repeat(65_000) }] }),
  )
  expect(reason).toMatch(/^path "\\u0001/)
  expect(reason).toHaveLength(500)
})
