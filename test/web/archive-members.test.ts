/** Pages of archives in artifacts, and of their members. */
import { strToU8, zipSync } from 'fflate'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import {
  archiveMembersMax,
  listTar,
  memberBytesMax,
  unpack,
} from '../../src/web/preview/archive.ts'
import { noise } from '../actions/archives.ts'
import { tarOf } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
let id: number

const manifest = 'Manifest-Version: 1.0\nMain-Class: a.B\n'
const large = Buffer.alloc(memberBytesMax + 10, 'x')
const readme = '# Title\n\nSee [other](docs/other.md) and ![picture](p.png).\n'
/** Unpacks to 100 MiB of zeros, more than is unpacked. */
const bomb = deflateRawSync(Buffer.alloc(100 << 20))

beforeAll(async () => {
  const jar = zipSync({
    'META-INF/MANIFEST.MF': strToU8(manifest),
    'stored.json': [strToU8('{"a": 1}'), { level: 0 }],
    'large.txt': large,
    'README.md': strToU8(readme),
    'page.html': strToU8('<script>alert(1)</script>'),
    '../up.txt': strToU8('up'),
    'empty.txt': strToU8(''),
    'a\u0001.txt': strToU8('control'),
  })
  const damaged = Buffer.from(zipSync({ 'a.txt': noise(3000, 1) }))
  damaged.fill(0xff, 1000, 1500)
  const tar = await tarOf([
    { name: './package/index.js', content: 'export {}\n' },
    { name: `package/${'long/'.repeat(40)}name.txt`, content: 'long' },
    { name: 'package/link', type: 'symlink', linkname: 'index.js' },
    { name: 'package/large.bin', content: large },
    { name: '../../etc/passwd', content: 'root' },
  ])
  const zeros = gzipSync(Buffer.alloc(100 << 20))
  id = await server.put('1/archives', {
    tar: [
      { name: 'lib/app.jar', content: Buffer.from(jar) },
      { name: 'damaged.zip', content: damaged },
      { name: 'bomb.zip', content: zipBomb() },
      { name: 'package.tgz', content: gzipSync(tar) },
      { name: 'plain.tar', content: tar },
      { name: 'zeros.tar.gz', content: zeros },
      { name: 'no.tgz', content: 'no archive at all' },
      { name: 'a!/b.txt', content: 'not in an archive' },
    ],
  })
}, 120_000)

/** A zip with one member, which claims to have ten bytes. */
function zipBomb(): Buffer {
  const name = Buffer.from('bomb.txt')
  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  local.writeUInt16LE(name.length, 26)
  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt16LE(8, 10)
  central.writeUInt32LE(bomb.length, 20)
  central.writeUInt32LE(10, 24)
  central.writeUInt16LE(name.length, 28)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length + name.length, 12)
  end.writeUInt32LE(local.length + name.length + bomb.length, 16)
  return Buffer.concat([local, name, bomb, central, name, end])
}

const blob = (path: string): string => `/octo/app/actions/runs/1/artifacts/${id}/blob/${path}`

async function page(path: string): Promise<string> {
  return await server.page(blob(path))
}

/** The names in a list of members, with whether they are links. */
function names(html: string): [name: string, isLink: boolean][] {
  const table = html.split('aria-label="Members of the archive"')[1]?.split('</table>')[0] ?? ''
  return [...table.matchAll(/<th scope="row">(<a [^>]*>)?([^<]*)/g)].map(([, link, name]) => [
    name!,
    link !== undefined,
  ])
}

test('the members of a zip and of a tar are listed, those with a safe name as links', async () => {
  const jar = await page('lib/app.jar')
  expect(jar).toContain('<caption>8 members</caption>')
  expect(jar).toContain(`href="${blob('lib/app.jar!/META-INF/MANIFEST.MF')}"`)
  expect(names(jar)).toContainEqual(['../up.txt', false])
  expect(names(jar).filter(([, isLink]) => !isLink)).toHaveLength(2)
  for (const name of ['package.tgz', 'plain.tar']) {
    const html = await page(name)
    expect(html).toContain(`href="${blob(`${name}!/package/index.js`)}"`)
    expect(names(html).slice(2, 4)).toEqual([
      ['package/link', false],
      ['package/large.bin', true],
    ])
  }
  expect(names(await page('package.tgz')).at(-1)).toEqual(['../../etc/passwd', false])
  // The last one lies behind what is read.
  expect(await page('plain.tar')).toContain('<caption>At least 4 members, showing the first 4')
})

test('a member has a page with its content, and can be downloaded', async () => {
  const html = await page('lib/app.jar!/META-INF/MANIFEST.MF')
  expect(html).toContain('<span>Manifest-Version: 1.0</span>')
  expect(html).toContain(`<a href="${blob('lib/app.jar')}">lib/app.jar</a>`)
  for (const [path, content] of [
    ['lib/app.jar!/META-INF/MANIFEST.MF', manifest],
    ['lib/app.jar!/empty.txt', ''],
    ['package.tgz!/package/index.js', 'export {}\n'],
    [`plain.tar!/package/${'long/'.repeat(40)}name.txt`, 'long'],
  ] as const) {
    const response = await server.visit(`${blob(path)}?download=1`)
    expect(response.headers.get('content-disposition')).toContain('attachment; filename=')
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(await response.text()).toBe(content)
  }
  expect(await page('lib/app.jar!/stored.json')).toContain('class="json"')
  expect(await page('lib/app.jar!/empty.txt')).toContain('This file is empty.')
})

test('a document in an archive links to others there; HTML is shown as text', async () => {
  const html = await page('lib/app.jar!/README.md')
  expect(html).toContain(`href="${blob('lib/app.jar!/docs/other.md')}"`)
  expect(html).not.toContain('<img')
  expect(await page('lib/app.jar!/README.md?as=text')).toContain('<span># Title</span>')
  expect(await page('lib/app.jar!/page.html')).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
})

test('what is no member is not found', async () => {
  for (const path of [
    'lib/app.jar!/other.txt',
    'lib/app.jar!/',
    'package.tgz!/package/link',
    'no.tgz!/a',
    'none.jar!/a',
    'zeros.tar.gz!/a',
  ])
    expect([path, (await server.visit(blob(path))).status]).toEqual([path, 404])
  expect(await page('a!/b.txt')).toContain('not in an archive')
  expect(await page('no.tgz')).toContain('<span>no archive at all</span>')
})

test('of large, damaged and lying members the beginning is shown, without a download', async () => {
  for (const path of [
    'lib/app.jar!/large.txt',
    'package.tgz!/package/large.bin',
    'damaged.zip!/a.txt',
    'bomb.zip!/bomb.txt',
  ]) {
    const html = await page(path)
    expect(html).toContain('This file could not be unpacked completely')
    expect(html).not.toContain('download=1')
    expect((await server.visit(`${blob(path)}?download=1`)).headers.get('content-type')).toMatch(
      'text/html',
    )
  }
})

test('hostile tars are listed as far as the bounds go', async () => {
  const member = await tarOf([{ name: 'a', content: 'x' }])
  const many = gzipSync(
    Buffer.concat(Array.from({ length: 30_000 }, () => member.subarray(0, 1024))),
  )
  const listing = await listTar(many, many.length)
  expect(listing?.members).toHaveLength(archiveMembersMax)
  expect(listing?.total).toBeGreaterThan(archiveMembersMax)
  expect(listing?.isWhole).toBe(false)
  const cut = gzipSync(member).subarray(0, -12)
  expect(await listTar(cut, cut.length)).toMatchObject({ total: 1, isWhole: false })
  expect(await listTar(Buffer.from('x'.repeat(2000)), 2000)).toBeUndefined()
  // Zeros are neither a member nor an error, and there may be any number of them.
  expect(await page('zeros.tar.gz')).toContain('Not text: gzip')
})

test('the names of a listing are bounded', async () => {
  const entries = Array.from({ length: 100 }, (_, index) => ({
    name: `${'x'.repeat(60_000)}${index}`,
    content: '',
  }))
  const bytes = gzipSync(await tarOf(entries))
  const listing = await listTar(bytes, bytes.length)
  expect(listing).toMatchObject({ total: 100, isWhole: true })
  expect(listing?.members).toHaveLength(17)
})

test('a bomb is unpacked only as far as is shown', async () => {
  const before = process.memoryUsage().arrayBuffers
  const member = await unpack({
    kind: 'unpack',
    form: 'deflate',
    bytes: bomb,
    sizeBytes: 10,
    crc32: 0,
  })
  expect(member?.bytes.length).toBe(memberBytesMax)
  expect(member?.isWhole).toBe(false)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * memberBytesMax)
})
