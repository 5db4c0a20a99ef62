/** Tars that readers understand differently. Each was found by comparing trees with those of GNU
 *  tar, bsdtar and Python's tarfile; none of them may become an artifact. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { openStore } from './open-store.ts'
import { type Member, memberOf, pax, tarEnd as end } from './tar-members.ts'

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
  [
    'a sparse file as all entries',
    [pax('GNU.sparse.major=1', 'g'), file],
    { reason: 'all entries the same GNU.sparse.major' },
  ],
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
