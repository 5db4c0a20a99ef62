/** What a tar says about its entries, in headers and in what extends them. */
import { expect, test } from 'vitest'
import { readTarEntries } from '../../src/ingest/tar/tar-entries.ts'
import { type Member, memberOf, pax, tarEnd } from './tar-members.ts'

interface Read {
  type: string
  name: string
  linkName: string
  mode: number
  modifiedAt: number | null
  content: string
}

async function readAll(tar: Buffer, pieceBytes = tar.length): Promise<Read[]> {
  const entries: Read[] = []
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < tar.length; at += pieceBytes) yield tar.subarray(at, at + pieceBytes)
  }
  for await (const { type, name, linkName, mode, modifiedAt, content } of readTarEntries(
    pieces(),
  )) {
    const read: Buffer[] = []
    for await (const piece of content) read.push(Buffer.from(piece))
    const text = Buffer.concat(read).toString('latin1')
    const names = { name: name.toString(), linkName: linkName.toString() }
    entries.push({ type, mode, modifiedAt, content: text, ...names })
  }
  return entries
}

function tarOf(...members: Member[]): Buffer {
  return Buffer.concat([...members.map(memberOf), tarEnd])
}

const long = 'n'.repeat(150)
const file: Member = { name: 'f', content: 'content' }
const link: Member = { name: 'l', type: '2', linkName: 't' }
const longName: Member = { name: 'L', type: 'L', content: `${long}\0` }
const longLink: Member = { name: 'K', type: 'K', content: `${long}/t\0` }

test('what extends an entry counts before its header, and for no other entry', async () => {
  const names = [link, longName, longLink, link, longLink, pax(`path=${long}/p`), longName, link]
  const more = [link, pax('linkpath=other'), link, { ...longName, content: long }, file, file]
  const sizes = [pax('size=3'), { ...file, size: '00000000007\0', content: 'two' }, file]
  // An empty record withdraws what another says.
  const times = [pax('mtime=5.9', 'g'), file, pax('mtime=-1.5'), file, pax('mtime='), file, file]
  const tar = tarOf(...names, ...more, ...sizes, ...times)
  const nameOf = (each: Read): string[] => [each.name, each.linkName]
  for (const pieceBytes of [tar.length, 512, 100, 1]) {
    const entries = await readAll(tar, pieceBytes)
    expect(entries.slice(0, 5).map(nameOf)).toEqual([
      ['l', 't'],
      [long, `${long}/t`],
      [`${long}/p`, `${long}/t`],
      ['l', 't'],
      ['l', 'other'],
    ])
    expect(entries.slice(5, 7).map(nameOf)).toEqual([
      [long, ''],
      ['f', ''],
    ])
    expect(entries.slice(7).map((each) => [each.content, each.modifiedAt])).toEqual([
      ['two', 0],
      ['content', 0],
      ['content', 5],
      ['content', -2],
      ['content', 0],
      ['content', 5],
    ])
  }
})

test('numbers are octal digits or big-endian bytes', async () => {
  const seconds = (time: string): Member => ({ ...file, time })
  const binary = (first: number, ...last: number[]): string => {
    const between = Array.from({ length: 11 - last.length }, () => (first === 0xff ? 0xff : 0))
    return Buffer.from([first, ...between, ...last]).toString('latin1')
  }
  const times: [string, number | null][] = [
    ['00000000017\0', 15],
    ['         17 ', 15],
    ['000000000017', 15],
    ['17\0'.padEnd(12, '\0'), 15],
    ['\0'.repeat(12), 0],
    [binary(0x80, 2, 3), 515],
    [binary(0xff, 254), -2],
    ['00000000018\0', null],
    ['-0000000001\0', null],
  ]
  const entries = await readAll(tarOf(...times.map(([time]) => seconds(time))))
  expect(entries.map((each) => each.modifiedAt)).toEqual(times.map(([, wanted]) => wanted))
  const [own] = await readAll(tarOf({ ...file, mode: '0100755\0', size: binary(0x80, 7) }))
  expect(own).toMatchObject({ mode: 0o100_755, content: 'content' })
  const [old] = await readAll(tarOf({ ...file, type: '\0', mode: '12345670' }))
  expect(old).toMatchObject({ type: '0', mode: 0o12345670 })
  for (const [member, reason] of [
    [{ ...file, size: binary(0xff, 254) }, 'an invalid size'],
    [{ ...file, size: '00000000008\0' }, 'an invalid size'],
    [{ ...file, mode: '0000008\0' }, 'an invalid mode'],
  ] as const)
    await expect(readAll(tarOf(member))).rejects.toThrow(reason)
})

test('POSIX puts a prefix in front of a name, and GNU does not', async () => {
  const prefix = 'p'.repeat(155)
  const name = 'n'.repeat(100)
  const gnu = { name, prefix, magic: 'ustar  \0' }
  const entries = await readAll(tarOf({ name, prefix, linkName: name }, gnu))
  expect(entries.map((each) => each.name)).toEqual([`${prefix}/${name}`, name])
  expect(entries[0]!.linkName).toBe(name)
  for (const magic of ['\0'.repeat(8), 'ustar \0\0', 'ustar  1'])
    await expect(readAll(tarOf({ ...file, magic }))).rejects.toThrow('an unknown format')
  const changed = memberOf(file)
  for (let at = 0; at < 512; at++) {
    const damaged = Buffer.from(changed)
    damaged[at]! ^= 1
    const reading = readAll(Buffer.concat([damaged, tarEnd]))
    // A blank, which is no part of the checksum's number.
    if (at === 155) expect(await reading).toHaveLength(1)
    else await expect(reading, `byte ${at}`).rejects.toThrow('a header')
  }
})

test.each([
  ['path=b\n', 'no length'],
  ['11 path=b\n', 'a length beyond the end'],
  ['8 path=b\n', 'a length before the end of its line'],
  ['0 path=b\n', 'a length of zero'],
  ['9 path:b\n', 'no equals sign'],
  ['6 abc\n9 path=b\n', 'an equals sign only in the next record'],
  ['6 =bc\n', 'no key'],
  ['9 path=bc', 'no line feed'],
  ['9 path=b\n\0', 'something behind it'],
])('the record %j is refused: it has %s', async (content) => {
  const reading = readAll(tarOf({ name: 'pax', type: 'x', content }, file))
  await expect(reading).rejects.toThrow('an extended header is malformed')
})

test('cut anywhere, a tar is refused', async () => {
  const tar = tarOf(pax('mtime=5'), { ...file, content: 'x'.repeat(600) }, longName, file)
  for (let bytes = 1; bytes < tar.length - 512; bytes += bytes % 512 === 1 ? 510 : 1) {
    const reading = readAll(tar.subarray(0, bytes), 700)
    await expect(reading, `${bytes} bytes`).rejects.toThrow('it is truncated')
  }
  expect(await readAll(tar.subarray(0, tar.length - 512))).toHaveLength(2)
})

test('an extended header has a bounded length, and those for all entries together', async () => {
  const mib = 1024 * 1024
  /** A header of that length. */
  const padded = (bytes: number, type: string): Member => ({
    name: 'pax',
    type,
    content: `${bytes} comment=${'x'.repeat(bytes - `${bytes} comment=\n`.length)}\n`,
  })
  for (const type of ['x', 'g']) {
    expect(await readAll(tarOf(padded(4 * mib, type), file))).toHaveLength(1)
    await expect(readAll(tarOf(padded(4 * mib + 1, type), file))).rejects.toThrow('more than')
  }
  const both = (type: string): Buffer =>
    tarOf(padded(3 * mib, type), file, padded(3 * mib, type), file)
  expect(await readAll(both('x'))).toHaveLength(2)
  await expect(readAll(both('g'))).rejects.toThrow('for all entries')
})
