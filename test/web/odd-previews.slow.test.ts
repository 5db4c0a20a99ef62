/** Previews of files that are unusually large or odd. */
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const many = 100_000

/** The central directory of a zip, which is all that a listing reads. */
function zipDirectoryOf(names: string[], isZip64 = false): Buffer {
  const members = names.map((name) => {
    const head = Buffer.alloc(46)
    head.writeUInt32LE(0x02014b50, 0)
    head.writeUInt32LE(7, 24)
    head.writeUInt16LE(name.length, 28)
    return Buffer.concat([head, Buffer.from(name, 'latin1')])
  })
  const directory = Buffer.concat(members)
  const end64 = Buffer.alloc(56)
  end64.writeUInt32LE(0x06064b50, 0)
  end64.writeBigUInt64LE(BigInt(names.length), 32)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(directory.length), 8)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(isZip64 ? 0xffff : names.length, 10)
  end.writeUInt32LE(isZip64 ? 0xffffffff : 0, 16)
  return Buffer.concat([directory, ...(isZip64 ? [end64, locator] : []), end])
}

/** ZIP64: a member of 5 GiB that is compressed to 4 GiB and one byte; one whose extra field has
 *  only the size; and one whose extra field is empty. */
function largeMembers(): Buffer {
  const member = (name: string, packed: number, sizes: number[]): Buffer => {
    const head = Buffer.alloc(46)
    head.writeUInt32LE(0x02014b50, 0)
    head.writeUInt32LE(packed, 20)
    head.writeUInt32LE(0xffffffff, 24)
    head.writeUInt16LE(name.length, 28)
    // Preceded by another extra field: programs also write Unix times there.
    const field = Buffer.alloc(4 + 8 * sizes.length)
    field.writeUInt16LE(1, 0)
    field.writeUInt16LE(8 * sizes.length, 2)
    for (const [at, size] of sizes.entries()) field.writeBigUInt64LE(BigInt(size), 4 + 8 * at)
    const extra = Buffer.concat([Buffer.from([0x55, 0x58, 2, 0, 7, 7]), field])
    head.writeUInt16LE(extra.length, 30)
    return Buffer.concat([head, Buffer.from(name), extra])
  }
  const directory = Buffer.concat([
    member('both', 0xffffffff, [5 * 2 ** 30, 2 ** 32 + 1]),
    member('size', 1024, [6 * 2 ** 30]),
    member('neither', 1024, []),
  ])
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(3, 10)
  return Buffer.concat([directory, end])
}

const memberNames = Array.from({ length: many }, (_, index) => `directory/member-${index}.txt`)
const longName = cell(3).slice(0, 30_000)

const files = {
  'many.zip': zipDirectoryOf(memberNames.slice(0, 60_000)),
  'very-many.zip': zipDirectoryOf(memberNames, true),
  'long-name.zip': zipDirectoryOf([longName, 'second']),
  'large-members.zip': largeMembers(),
  'no.zip': Buffer.concat([Buffer.from('PK\u0003\u0004'), zipDirectoryOf(['x']).subarray(20)]),
  'wide.csv': `${'column,'.repeat(many)}end\n${'1,'.repeat(many)}2\n`,
  'long-cells.csv': `${cell(1)},b\n${cell(2)},d\n`,
  'even.csv': 'a,b\n1,2\n',
  'uneven.csv': 'a,b,c\n1\n',
  'deep.jsonl': `${'['.repeat(5000)}${']'.repeat(5000)}\n{"a":1}\n`,
  'wide.jsonl': `[${'0,'.repeat(many)}0]\n`,
  'numbers.json': '{"id":12345678901234567890}',
  'numbers.jsonl': '{"a":1}\n[1e400]\n',
  'counts.json': JSON.stringify({ list: Array.from({ length: 1200 }, () => 0) }),
  'records.json': JSON.stringify(Array.from({ length: 5000 }, (_, id) => ({ id, name: 'x' }))),
  'old-mac.csv': 'a,b\r1,2\r3,4\r',
  'progress.log': '10 %\r\u001b[32mdone\u001b[0m\n',
  'headings.csv': 'a,b\n',
  'even.jsonl': '{"level":"info"}\n{"level":"warn"}\n',
  'little.log': utf16('first ä 😀\r\nsecond\r\n'),
  'big.log': utf16('first ä 😀\r\nsecond\r\n').swap16(),
  'unicode.tsv': utf16('head\tü\r\ncell\t2\r\n'),
  'long-utf16.log': utf16('line\n'.repeat(60_000)),
  'utf32.log': Buffer.concat([utf16(''), Buffer.alloc(64)]),
  'latin.log': Buffer.from('Größe: 5 µm\r\n', 'latin1'),
  'words.txt': utf16('same\nold\n'),
  'colours.log': 'a\n\u001b[32mok\u001b[0m 1 s\n',
}

/** Little-endian, with a byte order mark. */
function utf16(text: string): Buffer {
  return Buffer.from(`\ufeff${text}`, 'utf16le')
}

/** Text that hardly compresses. */
function cell(seed: number): string {
  return Array.from({ length: 8000 }, (_, index) =>
    ((index * index * seed) % 999_983).toString(36),
  ).join('')
}

const server = await openSharedServer()
let id: number
let laterId: number
beforeAll(async () => {
  const put = async (run: number, contents: Record<string, string | Buffer>): Promise<number> =>
    await server.put(`${run}/odd`, {
      tar: Object.entries(contents).map(([name, content]) => ({ name, content })),
    })
  id = await put(1, files)
  laterId = await put(2, {
    'colours.log': 'a\n\u001b[31mfailed\u001b[0m 1 s\n',
    'words.txt': 'same\nnew\n',
  })
})

async function pageOf(name: keyof typeof files, query = ''): Promise<string> {
  return await server.page(`/octo/app/actions/runs/1/artifacts/${id}/blob/${name}${query}`)
}

test('a table with very many columns shows the first ones, and more on request', async () => {
  const first = await pageOf('wide.csv')
  expect(first.match(/<th scope="col" class="number">column</g)).toHaveLength(100)
  expect(first.match(/<td class="number">1</g)).toHaveLength(100)
  expect(first).toContain('1 row, the first 100 of 100,001 columns')
  expect(first).toContain('Show more')
  const more = await pageOf('wide.csv', '?bytes=1048576')
  expect(more.match(/<th scope="col" class="number">column</g)).toHaveLength(1000)
  expect(more).toContain('1 row, the first 1,000 of 100,001 columns')
  expect(more).not.toContain('Show more')
})

test('long cells are cut until more is requested', async () => {
  const first = await pageOf('long-cells.csv')
  expect(gzipSync(first).length).toBeLessThan(30 * 1024)
  expect(first).toContain(`<td>${cell(2).slice(0, 100)}…</td>`)
  expect(await pageOf('long-cells.csv', '?bytes=1048576')).toContain(`<td>${cell(2)}</td>`)
  expect(await pageOf('even.csv')).not.toContain('Show more')
  expect(await pageOf('even.csv')).not.toContain('colspan')
})

test.each(['deep.jsonl', 'wide.jsonl'] as const)(
  'JSON Lines with too many or too deep nodes are shown as text: %s',
  async (name) => {
    for (const query of ['', '?bytes=1048576']) {
      const html = await pageOf(name, query)
      expect(html).toContain('<ol class="code"')
      expect(html).not.toContain('<details>')
    }
    expect(await pageOf('even.jsonl')).toContain(
      '<span class="json-name">&quot;level&quot;: </span>',
    )
  },
)

test('a row of a table that ends early is as wide as the others', async () => {
  expect(await pageOf('uneven.csv')).toContain('<td class="number">1</td><td colspan="2"></td>')
})

test('a table with only a heading has no rows', async () => {
  expect(await pageOf('headings.csv')).toContain('<caption>0 rows</caption>')
})

test('a zip with very many members shows the first ones and their total number', async () => {
  for (const [name, total] of [
    ['many.zip', '60,000'],
    ['very-many.zip', '100,000'],
  ] as const) {
    const page = await pageOf(name, '?bytes=1048576')
    expect(page).toContain(`<caption>${total} members, showing the first 1,000</caption>`)
    expect(page).toContain('>directory/member-999.txt</a></th>')
  }
  expect(await pageOf('no.zip')).toContain('Not text: a zip archive')
})

test('members above 4 GiB have the sizes of their ZIP64 fields', async () => {
  const page = await pageOf('large-members.zip')
  const rows = [
    ...page.matchAll(
      /<th scope="row"><a[^>]*>(.*?)<\/a><\/th><td[^>]*>(.*?)<\/td><td[^>]*>(.*?)</g,
    ),
  ]
  expect(rows.map(([, ...cells]) => cells)).toEqual([
    ['both', '5.0 GiB', '4.0 GiB'],
    ['size', '6.0 GiB', '1.0 KiB'],
    ['neither', '4.0 GiB', '1.0 KiB'],
  ])
})

test('long member names are cut until more is requested', async () => {
  const first = await pageOf('long-name.zip')
  expect(gzipSync(first).length).toBeLessThan(10 * 1024)
  expect(first).toContain('<caption>2 members</caption>')
  expect(first).toContain('Show more')
  const more = await pageOf('long-name.zip', '?bytes=1048576')
  expect(more).toContain(longName)
  expect(more).not.toContain('Show more')
})

test('JSON with numbers that parsing would change is shown as text', async () => {
  expect(await pageOf('numbers.json')).toContain('12345678901234567890')
  expect(await pageOf('numbers.jsonl')).toContain('1e400')
})

test('a carriage return ends a row of a table, and separates text within a line', async () => {
  expect(await pageOf('old-mac.csv')).toContain(
    '<tr><td class="number">1</td><td class="number">2</td></tr>',
  )
  expect(await pageOf('progress.log')).toContain('<span>10 %\r<span class="fg2">done</span></span>')
})

test('folded JSON shows its number of members or items', async () => {
  const page = await pageOf('counts.json')
  expect(page).toContain('<span class="quiet">1 member</span>')
  expect(page).toContain('<span class="quiet">1,200 items</span>')
})

test('folded JSON shows the beginning of its content', async () => {
  expect(await pageOf('even.jsonl')).toContain(
    '<span class="excerpt"> level: &quot;info&quot;</span>',
  )
})

test('JSON with long lists is shown as a tree with some of their items', async () => {
  const page = await pageOf('records.json')
  expect(page).toContain('<span class="quiet">5,000 items</span>')
  expect(page).toContain('and 4,700 more')
  expect(page).toContain('<span class="json-value">299</span>')
})

test('a comparison shows the colours of a log', async () => {
  const compared = await server.page(`/octo/app/compare/${laterId}...${id}?file=colours.log`)
  expect(compared).toContain('<span class="fg1">failed</span> 1 s</td>')
  expect(compared).toContain('<span class="fg2">ok</span> 1 s</td>')
  expect(compared).not.toContain('\u001b')
})

test('UTF-16 with a byte order mark, as PowerShell writes it, is text', async () => {
  for (const name of ['little.log', 'big.log'] as const) {
    const page = await pageOf(name)
    expect(page).toContain('<span>first ä 😀</span>')
    expect(page.match(/<li id="L/g)).toHaveLength(2)
  }
  expect(await pageOf('unicode.tsv')).toContain('<th scope="col" class="number">ü</th>')
  expect(await pageOf('long-utf16.log', '?bytes=1048576')).toContain(
    'Showing the first 488.3 KiB of 585.9 KiB.',
  )
  expect(await pageOf('utf32.log')).toContain('Not text')
  const compared = await server.page(`/octo/app/compare/${laterId}...${id}?file=words.txt`)
  expect(compared).toContain('old')
  expect(compared).toMatch(/<tr class="same">.*same<\/td>/)
})

test('text of another code page than UTF-8 is shown, with a remark', async () => {
  const page = await pageOf('latin.log')
  expect(page).toContain('<span>Größe: 5 µm</span>')
  expect(page).toContain('Not UTF-8: shown as Windows-1252')
})
