/** Tars that readers understand differently. Each was found by comparing trees with those of GNU
 *  tar, bsdtar and Python's tarfile; none of them may become an artifact. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { openStore } from './open-store.ts'

interface Member {
  name: string
  type?: string
  content?: string
  /** The whole field, instead of the length of the content. */
  size?: string
}

function memberOf({ name, type = '0', content = '', size }: Member): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100, 'latin1')
  header.write(size ?? `${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write('00000000000\0', 136, 'latin1')
  header.write(type, 156, 'latin1')
  header.write('ustar\u000000', 257, 'latin1')
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([header, Buffer.from(content), padding])
}

function pax(record: string, type = 'x'): Member {
  const { length } = ` ${record}\n`
  const digits = length + 1 < 10 ? 1 : 2
  return { name: 'pax', type, content: `${length + digits} ${record}\n` }
}

const end = Buffer.alloc(1024)
const file = { name: 'a', content: 'content' }

test.each<[string, (Member | Buffer)[], { code?: string; reason: string }]>([
  [
    'an entry behind the end, as in concatenated tars',
    [file, end, { name: 'b', content: 'b' }],
    { reason: 'more follows the blocks of zeros' },
  ],
  [
    'an entry behind a lone block of zeros',
    [file, end.subarray(512), file],
    { reason: 'more follows' },
  ],
  ['text behind the end', [file, end, Buffer.from('trailing')], { reason: 'more follows' }],
  ['a file named as a directory', [{ name: 'd/.', content: 'x' }], { reason: 'names a directory' }],
  [
    'a contiguous file named as a directory',
    [{ name: 'd/', type: '7', content: 'x' }],
    { reason: 'has a size, but is no file' },
  ],
  ['a key behind a blank', [pax(' path=b'), file], { reason: 'an extended header is malformed' }],
  ['a path for all entries', [pax('path=b', 'g'), file], { reason: 'all entries the same path' }],
  ['a size for all entries', [pax('size=3', 'g'), file], { reason: 'all entries the same size' }],
  ['two extended headers of an entry', [pax('path=b'), pax('path=c'), file], { reason: 'has two' }],
  [
    'an empty long name',
    [{ name: 'l', type: 'L', content: '\0' }, file],
    { reason: 'name is empty' },
  ],
  ['digits behind a NUL', [{ ...file, size: '\u00007\0' }], { reason: 'an invalid size' }],
  [
    'a directory of a sparse file',
    [pax('GNU.sparse.name=b'), { name: 'd', type: '5' }],
    { code: 'unsupported_entry', reason: 'a sparse file' },
  ],
  [
    'a sparse file made by star',
    [pax('SCHILY.realsize=9000'), file],
    { code: 'unsupported_entry', reason: 'a sparse file' },
  ],
])('%s is rejected', async (_, members, { code = 'bad_archive', reason }) => {
  const store = await openStore()
  const parts = members.map((each) => (Buffer.isBuffer(each) ? each : memberOf(each)))
  const tar = Readable.from([Buffer.concat([...parts, end])], { objectMode: false })
  await expect(store.put('tree', 'tar', tar)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(reason) as string,
  })
  expect(await store.packBytes()).toBe(0)
})

test('a contiguous file with an end slash and no content is a directory, as for GNU tar', async () => {
  const store = await openStore()
  const tar = Buffer.concat([memberOf({ name: 'd/', type: '7' }), end])
  const { artifact } = await store.put('tree', 'tar', Readable.from([tar], { objectMode: false }))
  const found = await store.metadata.findEntry(artifact.id, 'd')
  expect(found?.entry).toMatchObject({ kind: 'directory', mode: 0o644 })
})

test('a time that is not a decimal number is unknown', async () => {
  const store = await openStore()
  const tar = Buffer.concat([memberOf(pax('mtime=0x10')), memberOf(file), end])
  const { artifact } = await store.put('tree', 'tar', Readable.from([tar], { objectMode: false }))
  expect(await store.metadata.findEntry(artifact.id, 'a')).toMatchObject({ modifiedAt: null })
})
