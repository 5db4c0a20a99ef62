import { execFileSync, spawnSync } from 'node:child_process'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type Header, extract } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { type TarEntry, tarOf } from '../http/archives-of.ts'
import { expectNothing, openStore, readAll } from './open-store.ts'

const mtime = new Date(1_700_000_000_000)

/** Splits bytes into pieces of an odd size, as from a socket. */
function streamOf(bytes: Buffer, pieceBytes = 10_007): Readable {
  return Readable.from(
    (function* pieces() {
      for (let at = 0; at < bytes.length; at += pieceBytes)
        yield bytes.subarray(at, at + pieceBytes)
    })(),
    { objectMode: false },
  )
}

async function contentsOf(
  tarGz: Buffer,
): Promise<Map<string, { header: Header; content: Buffer }>> {
  const found = new Map<string, { header: Header; content: Buffer }>()
  const parser = extract()
  Readable.from([gunzipSync(tarGz)]).pipe(parser as unknown as NodeJS.WritableStream)
  for await (const entry of parser) {
    found.set(entry.header.name, { header: entry.header, content: await buffer(entry) })
  }
  return found
}

function random(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes)
  let state = seed
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    out[at] = state >>> 24
  }
  return out
}

const sizeAt = 124
const typeAt = 156

/** Overwrites a field of the header at `offset` and corrects the checksum. */
function changeHeader(tar: Buffer, offset: number, fieldAt: number, text: string): void {
  const header = tar.subarray(offset, offset + 512)
  header.write(text, fieldAt, 'latin1')
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}

describe('a tar upload', () => {
  test.each([
    ['between two files', 2 * 1024],
    ['behind a file of zeros', 3 * 1024],
    ['behind its last file', 4 * 1024],
    ['before its first file', 0],
  ])('cut %s it is refused, compressed or not', async (_, bytes) => {
    const whole = await tarOf([
      { name: 'a', content: 'one' },
      { name: 'b', content: 'two' },
      { name: 'zeros', content: Buffer.alloc(512) },
      { name: 'c', content: 'three' },
    ])
    const cut = whole.subarray(0, bytes)
    const store = await openStore()
    const refused = {
      code: 'bad_archive',
      message: expect.stringContaining('it is truncated: the blocks'),
    }
    await expect(store.put('a', 'tar', streamOf(cut))).rejects.toMatchObject(refused)
    await expect(store.put('a', 'tar.gz', streamOf(gzipSync(cut)))).rejects.toMatchObject(refused)
    // One block of zeros is enough: GNU tar only warns of a lone one.
    const { artifact } = await store.put('a', 'tar', streamOf(whole.subarray(0, 4 * 1024 + 512), 7))
    expect(artifact).toMatchObject({ fileCount: 4 })
  })

  test.each(['tar', 'tar.gz'] as const)(
    '%s: entries, modes, links and times survive a round trip',
    async (form) => {
      const store = await openStore()
      const big = random(900_000, 7)
      const tar = await tarOf([
        { name: './', type: 'directory', mode: 0o755 },
        { name: './bin/', type: 'directory', mode: 0o755 },
        { name: './bin/tool', mode: 0o755, mtime, content: 'tool' },
        { name: './big.bin', mode: 0o600, content: big },
        { name: './empty', content: '' },
        { name: './void/', type: 'directory', mode: 0o755 },
        { name: './private/', type: 'directory', mode: 0o700 },
        { name: './private/key', content: 'key', mode: 0o600 },
        { name: './link', type: 'symlink', linkname: '../dangling' },
        { name: './hard', type: 'link', linkname: './bin/tool' },
      ])
      const { artifact } = await store.put(
        'tree',
        form,
        streamOf(form === 'tar' ? tar : gzipSync(tar)),
      )
      expect(artifact).toMatchObject({ kind: 'tree', fileCount: 5, entryCount: 8, zipDigest: null })
      const back = await contentsOf(await readAll(await representTarGz(store.reader, artifact)))
      expect([...back.keys()]).toEqual([
        'big.bin',
        'bin/tool',
        'empty',
        'hard',
        'link',
        'private/',
        'private/key',
        'void/',
      ])
      expect(back.get('big.bin')?.content.equals(big)).toBe(true)
      expect(back.get('hard')?.content.toString()).toBe('tool')
      expect(back.get('bin/tool')?.header).toMatchObject({ mode: 0o755, mtime })
      expect(back.get('private/')?.header.mode).toBe(0o700)
      expect(back.get('link')?.header.linkname).toBe('../dangling')
    },
  )

  test('an entry with an invalid time has none, and the others keep theirs', async () => {
    const store = await openStore()
    const tar = await tarOf([
      { name: 'a', mtime, content: 'a' },
      { name: 'b', mtime, content: 'b' },
      { name: 'c', mtime, content: 'c' },
    ])
    // POSIX ustar: mtime is at 136; the checksum at 148 is computed with spaces in its place.
    const header = tar.subarray(1024, 1024 + 512)
    header.write('soon'.padEnd(11, ' '), 136, 'latin1')
    header.fill(' ', 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    const page = await store.metadata.readEntryPage(artifact.id, 0)
    expect(page?.modifiedAt).toEqual([1_700_000_000, null, 1_700_000_000])
  })

  test('a time in an extended header is used, in whole seconds', async () => {
    const store = await openStore()
    const times = ['1700000001.75', '-1.5', '8589934593', '1e300', 'soon']
    const tar = await tarOf(
      times.map((mtime, index) => ({ name: `${index}`, content: 'x', pax: { mtime } })),
    )
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    const page = await store.metadata.readEntryPage(artifact.id, 0)
    expect(page?.modifiedAt).toEqual([1_700_000_001, -2, 8_589_934_593, null, null])
  })

  test('a large file is cut into chunks, so that a changed copy costs only its changed chunks', async () => {
    const store = await openStore()
    const first = random(8 * 1024 * 1024, 1)
    const second = Buffer.from(first)
    random(1000, 2).copy(second, 4_000_000)
    await store.put('one', 'tar', streamOf(await tarOf([{ name: 'blob', content: first }])))
    const two = await store.put(
      'two',
      'tar',
      streamOf(await tarOf([{ name: 'blob', content: second }])),
    )
    expect(two.artifact.newBytes).toBeLessThan(600_000)
    const back = await contentsOf(await readAll(await representTarGz(store.reader, two.artifact)))
    expect(back.get('blob')?.content.equals(second)).toBe(true)
  })

  test('the same tree as tar and as zip has one tree digest and one copy of each file', async () => {
    const store = await openStore()
    const tar = await store.put(
      'tar',
      'tar',
      streamOf(await tarOf([{ name: 'a/b', content: 'hello' }])),
    )
    const zip = await readAll(await representZip(store.reader, tar.artifact))
    const again = await store.put('zip', 'zip', zip)
    expect(again.artifact.treeDigest).toBe(tar.artifact.treeDigest)
  })

  test.each<[string, TarEntry[], object]>([
    [
      'a name that leaves the directory',
      [{ name: '../up', content: 'x' }],
      { code: 'unsafe_path', details: { path: '../up' } },
    ],
    ['an absolute name', [{ name: '/etc/passwd', content: 'x' }], { code: 'unsafe_path' }],
    [
      'a repeated name',
      [
        { name: 'a', content: 'x' },
        { name: './a', content: 'y' },
      ],
      {
        code: 'duplicate_path',
        message: 'path "a" occurs twice in the upload',
        details: { path: 'a' },
      },
    ],
    [
      'a file that is a directory',
      [
        { name: 'a', content: 'x' },
        { name: 'a/b', content: 'y' },
      ],
      { code: 'duplicate_path', message: 'path "a" is both a file and a directory' },
    ],
    [
      'a pipe',
      [{ name: 'fifo', type: 'fifo' }],
      { code: 'unsupported_entry', details: { path: 'fifo', kind: 'fifo' } },
    ],
    [
      'a hard link to nothing',
      [{ name: 'h', type: 'link', linkname: 'gone' }],
      { code: 'bad_archive' },
    ],
    [
      'a sparse file',
      [{ name: 'a', content: 'x', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' } }],
      { code: 'unsupported_entry', details: { path: 'a', kind: 'sparse file' } },
    ],
    ['a length that is not a number', [{ name: 'a', pax: { size: 'x' } }], { code: 'bad_archive' }],
    ['a control character', [{ name: 'a\u001bb', content: 'x' }], { code: 'unsafe_path' }],
  ])('%s is rejected, and nothing is kept', async (_title, entries, failure) => {
    const store = await openStore()
    await expect(store.put('tree', 'tar', streamOf(await tarOf(entries)))).rejects.toMatchObject(
      failure,
    )
    await expectNothing(store)
  })

  test.each(['name', 'linkname'])(
    'a %s that is not UTF-8 is rejected, not renamed',
    async (field) => {
      const store = await openStore()
      const isLink = field === 'linkname'
      const entry: TarEntry = isLink ? { name: 'l', type: 'symlink' } : { name: 'f', content: 'x' }
      const tar = await tarOf([{ ...entry, [field]: 'caf?' }])
      // As in a tar made where names are Latin-1.
      changeHeader(tar, 0, tar.indexOf('caf?') + 3, '\u00e9')
      await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
        code: 'unsafe_path',
        details: { reason: 'it is not UTF-8' },
      })
      await expectNothing(store)
    },
  )

  // GNU tar writes such names into extended headers without saying what they are.
  test.each<[string, Record<string, string>]>([
    ['', {}],
    [' and says so', { hdrcharset: 'BINARY' }],
  ])('a name that is not UTF-8 in an extended header%s is rejected', async (_, pax) => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'a', content: 'x', pax: { ...pax, path: 'caf?' } }])
    tar[tar.indexOf('caf?') + 3] = 0xe9
    await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'unsafe_path',
      details: { path: 'caf\ufffd', reason: 'it is not UTF-8' },
    })
    await expectNothing(store)
  })

  test.each([
    ['without an equals sign', '12 path=bbb', '12 path.bbb'],
    ['longer than its header', '12 path=bbb', '99 path=bbb'],
    ['without a length', '12 path=bbb', 'xx path=bbb'],
    ['that ends within its value', '12 path=bbb', '10 path=bbb'],
  ])('a record %s is rejected', async (_, sound, broken) => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'a', content: 'x', pax: { path: 'bbb' } }])
    tar.write(broken, tar.indexOf(sound), 'latin1')
    await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'bad_archive',
      details: { reason: 'an extended header is malformed' },
    })
    await expectNothing(store)
  })

  test('records for all entries are bounded together, since all of them are held', async () => {
    const store = await openStore()
    const note = 'n'.repeat(1_500_000)
    const tar = await tarOf([{ name: 'x', content: 'x', pax: { note } }])
    changeHeader(tar, 0, typeAt, 'g')
    tar.write('name=x', tar.indexOf('path=x'))
    const entries = tar.subarray(0, -1024)
    const joined = Buffer.concat([entries, entries, entries])
    await expect(store.put('tree', 'tar', streamOf(joined))).rejects.toMatchObject({
      code: 'bad_archive',
      message: expect.stringContaining('extended headers for all entries have'),
    })
    await expectNothing(store)
  })

  test('records for all entries hold until a record of an entry replaces them', async () => {
    const store = await openStore()
    const tar = await tarOf([
      { name: 'x', content: 'x', pax: { mtime: '1000000000' } },
      { name: 'b', content: 'b' },
      { name: 'c', content: 'c', pax: { mtime: '1200000000' } },
    ])
    changeHeader(tar, 0, typeAt, 'g')
    tar.write('note=x', tar.indexOf('path=x'))
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    const back = await contentsOf(await readAll(await representTarGz(store.reader, artifact)))
    const times = [...back].map(([name, { header }]) => [name, header.mtime.getTime() / 1000])
    expect(times).toEqual([
      // The name of the first file was in the record overwritten above.
      ['PaxHeader', 1_000_000_000],
      ['b', 1_000_000_000],
      ['c', 1_200_000_000],
    ])
  })

  test('a file whose name ends in a slash is a directory, as before POSIX', async () => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'd/', type: 'directory', mode: 0o700 }])
    changeHeader(tar, 0, typeAt, '\0')
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    expect(artifact).toMatchObject({ entryCount: 1, fileCount: 0 })
    changeHeader(tar, 0, sizeAt, '00000000001')
    await expect(store.put('again', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'bad_archive',
    })
  })

  // A negative number, one beyond 2^53, and text.
  test.each(['\u00ff'.repeat(12), `\u0080${'\u0001'.repeat(11)}`, '0000000z000\0'])(
    'a size of %j is rejected',
    async (size) => {
      const store = await openStore()
      const tar = await tarOf([{ name: 'a', content: 'x' }])
      changeHeader(tar, 0, sizeAt, size)
      await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
        code: 'bad_archive',
        details: { reason: 'a header has an invalid size' },
      })
      await expectNothing(store)
    },
  )

  test('names of any characters are kept unchanged, in short and in long headers', async () => {
    const store = await openStore()
    const names = [
      'grün',
      '日本',
      '\ufffd',
      'é'.repeat(90),
      `${'日'.repeat(50)}/${'é'.repeat(120)}`,
    ]
    const tar = await tarOf(names.map((name) => ({ name, content: name })))
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    const back = await contentsOf(await readAll(await representTarGz(store.reader, artifact)))
    expect(back.size).toBe(names.length)
    for (const name of names) expect(back.get(name)!.content.toString()).toBe(name)
  })

  const { stdout } = spawnSync('tar', ['--version'], { encoding: 'utf8' })
  const isGnuTar = stdout?.includes('GNU tar')
  test
    .skipIf(!isGnuTar)
    .each(['--format=gnu', '--format=pax --sparse-version=0.0', '--format=pax'])(
    'a sparse file written by tar is rejected (%s)',
    async (format) => {
      const store = await openStore()
      await writeFile(join(store.directory, 'holes'), '')
      await truncate(join(store.directory, 'holes'), 1024 * 1024)
      const create = ['-C', store.directory, ...format.split(' '), '-S', '-cf', '-', 'holes']
      const tar = execFileSync('tar', create)
      await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
        code: 'unsupported_entry',
      })
      await expectNothing(store)
    },
  )

  test('the content of a file counts again for every hard link', async () => {
    const file: TarEntry = { name: 'a', content: Buffer.alloc(600) }
    const link: TarEntry = { name: 'b', type: 'link', linkname: 'a' }
    const tar = await tarOf([file, link])
    const store = await openStore({ artifactBytesMax: 1199 })
    await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'too_large',
      details: { limit: 'logical bytes of one artifact', setting: 'TROVE_MAX_ARTIFACT' },
    })
    await expectNothing(store)
    const roomy = await openStore({ artifactBytesMax: 1200 })
    expect(await roomy.put('tree', 'tar', streamOf(tar))).toMatchObject({
      artifact: { logicalBytes: 1200 },
    })
  })

  // Readers of tars disagree on whether such an entry is followed by content.
  test.each<[string, TarEntry]>([
    ['directory', { name: 'd', type: 'directory' }],
    ['symlink', { name: 'l', type: 'symlink', linkname: 'a' }],
    ['link', { name: 'l', type: 'link', linkname: 'a' }],
  ])('a %s with a size is rejected', async (_, entry) => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'a', content: 'one' }, entry, { name: 'b', content: 'two' }])
    changeHeader(tar, 1024, sizeAt, '00000001750')
    await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'bad_archive',
    })
    await expectNothing(store)
  })

  test.each(['x', 'g'])('an empty %s header hides nothing', async (type) => {
    const store = await openStore()
    const tar = await tarOf([
      { name: 'header', content: '' },
      // The next header would be looked for behind `b` if the long header were read again here.
      { name: 'a', content: Buffer.alloc(1000) },
      { name: 'b', content: Buffer.alloc(512) },
      { name: 'c', content: 'three' },
    ])
    changeHeader(tar, 0, typeAt, type)
    const { artifact } = await store.put('tree', 'tar', streamOf(tar))
    expect(artifact).toMatchObject({ fileCount: 3 })
  })

  test('a header of megabytes is rejected, and nothing is kept', async () => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'a', content: Buffer.alloc(5 * 1024 * 1024) }])
    changeHeader(tar, 0, typeAt, 'x')
    await expect(store.put('tree', 'tar', streamOf(tar))).rejects.toMatchObject({
      code: 'bad_archive',
      message: expect.stringContaining('an extended header has 5242880 bytes'),
    })
    await expectNothing(store)
  })

  test('a truncated body is rejected, and nothing is kept', async () => {
    const store = await openStore()
    const tar = await tarOf([{ name: 'a', content: random(500_000, 3) }])
    await expect(
      store.put('tree', 'tar', streamOf(tar.subarray(0, 300_000))),
    ).rejects.toMatchObject({ code: 'bad_archive' })
    await expect(
      store.put('tree', 'tar.gz', streamOf(gzipSync(tar).subarray(0, 300_000))),
    ).rejects.toMatchObject({ code: 'bad_archive' })
    await expect(store.put('tree', 'tar.gz', streamOf(tar))).rejects.toMatchObject({
      code: 'bad_archive',
    })
    await expect(store.put('tree', 'tar', streamOf(random(100_000, 4)))).rejects.toMatchObject({
      code: 'bad_archive',
    })
    const failing = new Readable({
      read() {
        this.destroy(new Error('cut'))
      },
    })
    await expect(store.put('tree', 'tar', failing)).rejects.toThrow('cut')
    await expectNothing(store)
  })

  test('a bomb is stopped by its ratio', async () => {
    const store = await openStore()
    const bomb = gzipSync(await tarOf([{ name: 'zeros', content: Buffer.alloc(90 * 1024 * 1024) }]))
    await expect(store.put('tree', 'tar.gz', streamOf(bomb))).rejects.toMatchObject({
      code: 'too_large',
      details: { limit: 'inflate ratio' },
    })
  })
})
