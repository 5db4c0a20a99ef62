/** Contents of an artifact, over a socket: manifest, directories, single files, archives. */
import { createHash } from 'node:crypto'
import { unzipSync } from 'fflate'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  artifactDetailSchema,
  directoryPageSchema,
  manifestPageSchema,
} from '../../src/api/messages.ts'
import type { TarEntry } from './archives-of.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const log = Array.from({ length: 5000 }, (_, line) => `line ${line}\n`).join('')
const noise = createHash('shake256', { outputLength: 5000 }).update('noise').digest()
const tricky = 'd/100% ä#?&.txt'

const server = await openSharedServer()
let id: number
let treeDigest: string
beforeAll(async () => {
  const tar: TarEntry[] = [
    { name: 'd/build.log', content: log },
    { name: tricky, content: 'tricky' },
    { name: 'd/page.html', content: '<script>alert(1)</script>' },
    { name: 'd/e/deep.txt', content: 'deep' },
    { name: 'noise.bin', content: noise },
    { name: 'zero', content: '' },
    { name: 'link', type: 'symlink', linkname: 'zero' },
  ]
  id = await server.put('1/build', { tar })
  treeDigest = artifactDetailSchema.parse(await (await at('')).json()).treeDigest
})

/** fetch decodes gzip by itself and asks for it, so tests set Accept-Encoding explicitly. */
async function at(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Response> {
  return await server.send(`/api/v1/artifacts/${id}${path}`, {
    method,
    headers: { 'accept-encoding': 'identity', ...headers },
  })
}

describe('the manifest', () => {
  test('is one entry per line in path order, with the tree digest as its ETag', async () => {
    const response = await at('/manifest')
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    expect(response.headers.get('etag')).toBe(`"${treeDigest}"`)
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { path: string })
    const paths = lines.map((line) => line.path)
    expect(paths).toEqual([
      tricky,
      'd/build.log',
      'd/e/deep.txt',
      'd/page.html',
      'link',
      'noise.bin',
      'zero',
    ])
    expect((await at('/manifest', { 'if-none-match': `"x", W/"${treeDigest}"` })).status).toBe(304)
    const other = await at('/manifest', { 'if-match': '"x"' })
    expect(other.headers.get('etag')).toBe(`"${treeDigest}"`)
    expect(await problemOf(other)).toMatchObject({ status: 412, code: 'precondition_failed' })
    // As browsers ask for the rest of a download.
    const html = { accept: 'text/html', 'if-match': '"x"' }
    expect((await at('/files/zero', html)).status).toBe(412)
    expect((await at('/manifest?limit=1', { 'if-match': `"${treeDigest}"` })).status).toBe(412)
    expect((await at('/manifest', { 'if-match': `"${treeDigest}"` })).status).toBe(200)
    const head = await at('/manifest', {}, 'HEAD')
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('of a part contains that directory and everything below it, or a file, or is not found', async () => {
    const paths = async (under: string) => {
      const text = await (await at(`/manifest?under=${under}`)).text()
      return text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { path: string }).path)
    }
    expect(await paths('d/e/')).toEqual(['d/e/deep.txt'])
    expect(await paths('zero')).toEqual(['zero'])
    expect(await problemOf(await at('/manifest?under=d/x'))).toMatchObject({
      status: 404,
      code: 'not_found',
    })
  })

  // nginx rejects response headers of more than 4 KB.
  test('of a directory with a long path has a short ETag of its own', async () => {
    const path = `${`${'長'.repeat(80)}/`.repeat(16)}file`
    const long = await server.put('1/long', { tar: [{ name: path, content: 'x' }] })
    const tagOf = async (under: string) => {
      const query = `?under=${encodeURIComponent(under)}`
      const response = await server.send(`/api/v1/artifacts/${long}/manifest${query}`)
      expect(response.status).toBe(200)
      return response.headers.get('etag')!
    }
    const tags = [await tagOf(''), await tagOf(path), await tagOf(path.slice(0, 80))]
    expect(new Set(tags).size).toBe(3)
    expect(Math.max(...tags.map((tag) => tag.length))).toBeLessThan(200)
  })

  test('is paged when a limit is given', async () => {
    const paths: string[] = []
    let cursor = ''
    do {
      const page = manifestPageSchema.parse(await (await at(`/manifest?limit=3${cursor}`)).json())
      paths.push(...page.items.map((each) => each.path))
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`
    } while (cursor !== '')
    expect(paths).toHaveLength(7)
    expect(new Set(paths).size).toBe(7)
    expect((await at('/manifest?limit=3&under=d')).status).toBe(400)
  })
})

describe('a directory', () => {
  test('lists its children, including directories without an entry of their own', async () => {
    const list = async (query: string) =>
      directoryPageSchema.parse(await (await at(`/directory${query}`)).json())
    expect((await list('')).items.map((each) => `${each.kind} ${each.path}`)).toEqual([
      'directory d',
      'symlink link',
      'file noise.bin',
      'file zero',
    ])
    const page = await list('?path=d/&limit=2')
    expect(page.items).toHaveLength(2)
    const rest = await list(`?path=d/&limit=2&cursor=${page.nextCursor}`)
    expect([...page.items, ...rest.items].map((each) => each.path)).toEqual([
      tricky,
      'd/build.log',
      'd/e',
      'd/page.html',
    ])
  })

  test.each(['nope', 'zero', 'd/buil'])('%s is not a directory', async (path) => {
    expect(await problemOf(await at(`/directory?path=${path}`))).toMatchObject({
      status: 404,
      code: 'not_found',
    })
  })
})

describe('a file', () => {
  test('is its bytes, with its digest as ETag, and is never sniffed or executed', async () => {
    const response = await at('/files/d/page.html')
    expect(await response.text()).toBe('<script>alert(1)</script>')
    const digest = createHash('sha256').update('<script>alert(1)</script>').digest('hex')
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${digest}"`,
      vary: 'Accept-Encoding',
      'accept-ranges': 'bytes',
      'content-length': '25',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/^sandbox; default-src 'none'/),
      'content-disposition': expect.stringMatching(/^inline/),
    })
  })

  test('with a name that needs escapes is found by it, and sent under that name', async () => {
    const response = await at(
      `/files/${tricky.split('/').map(encodeURIComponent).join('/')}?download=1`,
    )
    expect(await response.text()).toBe('tricky')
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="100_ _#?&.txt"; filename*=UTF-8''100%25%20%C3%A4%23%3F%26.txt`,
    )
  })

  test.each([
    ['bytes=0-5', log.slice(0, 6), `bytes 0-5/${log.length}`],
    ['bytes=-7', log.slice(-7), `bytes ${log.length - 7}-${log.length - 1}/${log.length}`],
    [
      `bytes=${log.length - 3}-`,
      log.slice(-3),
      `bytes ${log.length - 3}-${log.length - 1}/${log.length}`,
    ],
  ])('%s of it is exactly that range', async (range, wanted, contentRange) => {
    const response = await at('/files/d/build.log', { range })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(contentRange)
    expect(await response.text()).toBe(wanted)
  })

  test('a range past its end is rejected with the length; a stale If-Range returns the whole file', async () => {
    const past = await at('/files/d/build.log', { range: `bytes=${log.length}-` })
    expect(past.headers.get('content-range')).toBe(`bytes */${log.length}`)
    expect(await problemOf(past)).toMatchObject({ status: 416, code: 'range_not_satisfiable' })
    const stale = await at('/files/d/build.log', { range: 'bytes=0-1', 'if-range': '"old"' })
    expect([stale.status, (await stale.text()).length]).toEqual([200, log.length])
  })

  test('is sent gzipped if that is accepted and smaller, with another ETag', async () => {
    const plain = await at('/files/d/build.log')
    await plain.text()
    const gzipped = await at('/files/d/build.log', { 'accept-encoding': 'br, gzip;q=0.5' })
    expect(gzipped.headers.get('content-encoding')).toBe('gzip')
    expect(gzipped.headers.get('etag')).not.toBe(plain.headers.get('etag'))
    expect(Number(gzipped.headers.get('content-length'))).toBeLessThan(log.length / 2)
    expect(await gzipped.text()).toBe(log)
    for (const [path, accepted] of [
      ['noise.bin', 'gzip'],
      ['d/build.log', 'gzip;q=0'],
      ['zero', 'gzip'],
    ] as const) {
      const identity = await at(`/files/${path}`, { 'accept-encoding': accepted })
      expect(identity.headers.get('content-encoding')).toBeNull()
      await identity.arrayBuffer()
    }
  })

  test('is not sent again to a client that has it, and HEAD sends no body', async () => {
    const head = await at('/files/d/build.log', {}, 'HEAD')
    expect(head.headers.get('content-length')).toBe(String(log.length))
    const etag = head.headers.get('etag') ?? ''
    expect((await at('/files/d/build.log', { 'if-none-match': etag })).status).toBe(304)
  })

  test.each(['d', 'link', 'nope', 'd%2Fe', '..%2F..%2Fetc%2Fpasswd', ''])(
    '%j is not a file',
    async (path) => {
      expect(await problemOf(await at(`/files/${path}`))).toMatchObject({ status: 404 })
    },
  )

  test.each(['d/page.html', 'd/build.log'])(
    'may be kept and asked for again (%s)',
    async (path) => {
      const { headers } = await at(`/files/${path}`)
      expect(headers.get('cache-control')).toBe('private, no-cache')
    },
  )

  test("is found by its path however the route's segments before it are escaped", async () => {
    const escaped = String(id).replace(/\d/g, '%3$&')
    const response = await server.send(`/api/v1/artifacts/${escaped}/files/d/e/deep.txt`)
    expect([response.status, await response.text()]).toEqual([200, 'deep'])
    const page = `/octo/%61pp/actions/runs/1/artifacts/${escaped}/blob/d/e/deep.txt`
    expect((await server.send(page)).status).toBe(200)
  })

  test('a malformed escape is a bad request', async () => {
    expect(await problemOf(await at('/files/%E0%A4'))).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  })
})

describe('an archive', () => {
  test('as zip contains every file, and any range of it is that range of its bytes', async () => {
    const whole = await at('/archive.zip')
    const bytes = Buffer.from(await whole.arrayBuffer())
    expect(Object.keys(unzipSync(bytes)).sort()).toEqual(
      [tricky, 'd/build.log', 'd/e/deep.txt', 'd/page.html', 'link', 'noise.bin', 'zero'].sort(),
    )
    expect(whole.headers.get('content-disposition')).toMatch(/^attachment; filename="build.zip"/)
    const etag = whole.headers.get('etag') ?? ''
    const resumed = await at('/archive.zip', { range: 'bytes=100-', 'if-range': etag })
    expect(resumed.status).toBe(206)
    expect(Buffer.from(await resumed.arrayBuffer())).toEqual(bytes.subarray(100))
    const head = await at('/archive.zip', {}, 'HEAD')
    expect(head.headers.get('content-length')).toBe(String(bytes.length))
  })

  test('of a part contains what the glob matches', async () => {
    const names = async (glob: string) =>
      Object.keys(
        unzipSync(
          Buffer.from(
            await (await at(`/archive.zip?path=${encodeURIComponent(glob)}`)).arrayBuffer(),
          ),
        ),
      ).sort()
    expect(await names('d/*.log')).toEqual(['d/build.log'])
    expect(await names('**/*.txt')).toEqual([tricky, 'd/e/deep.txt'])
    expect((await at('/archive.zip?path=!x')).status).toBe(400)
    for (const format of ['zip', 'tar.gz'])
      expect(await problemOf(await at(`/archive.${format}?path=d/*.nope`))).toMatchObject({
        status: 404,
        code: 'no_files',
        body: { detail: expect.stringContaining('d/*.nope') as string },
      })
  })

  test('as tar.gz is a gzip of a tar', async () => {
    const response = await at('/archive.tar.gz')
    expect(response.headers.get('content-type')).toBe('application/gzip')
    const tar = gunzipSync(Buffer.from(await response.arrayBuffer()))
    expect(tar.includes('ustar')).toBe(true)
    expect(tar.includes('line 4999')).toBe(true)
  })

  test('is what the short URL redirects to, for authenticated callers only', async () => {
    const response = await server.send(`/api/artifacts/${id}/download`)
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      `/api/v1/artifacts/${id}/archive.zip`,
    ])
    expect((await server.send(`/api/artifacts/${id}/download`, { token: null })).status).toBe(401)
  })
})

describe('the archive of a run', () => {
  test('has a folder per live artifact, from the newest attempt', async () => {
    const put = async (name: string, query: string, body: string) =>
      await server.put(`9/${name}?filename=f&${query}`, {
        body,
      })
    await put('a', 'attempt=1', 'old')
    await put('a', 'attempt=2', 'new')
    await put('b', 'attempt=1', 'only')
    const gone = await put('c', 'attempt=1', 'gone')
    await server.send(`/api/v1/artifacts/${gone}`, { method: 'DELETE' })
    const response = await server.send('/api/v1/runs/9/archive.zip?project=octo/app')
    const files = unzipSync(Buffer.from(await response.arrayBuffer()))
    const texts = Object.entries(files).map(
      ([name, bytes]) => `${name}=${Buffer.from(bytes).toString()}`,
    )
    expect(texts.sort()).toEqual(['a/=', 'a/f=new', 'b/=', 'b/f=only'])
  })

  test('of a run without artifacts, or of others, is not found', async () => {
    expect(await problemOf(await server.send('/api/v1/runs/12345/archive.zip'))).toMatchObject({
      status: 404,
    })
    const token = await server.token({ project: 'octo/app', scope: 'run', run: 2, job: 'j' })
    expect((await server.send('/api/v1/runs/9/archive.zip', { token })).status).toBe(404)
    expect((await server.send('/api/v1/runs/9/archive.zip?project=other/app')).status).toBe(404)
    const admin = await server.token({ project: undefined, scope: 'admin' })
    expect(
      await problemOf(await server.send('/api/v1/runs/9/archive.zip', { token: admin })),
    ).toMatchObject({
      status: 400,
      body: { field: 'project' },
    })
  })
})
