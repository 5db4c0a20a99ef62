/** WebDAV: what is where, how it is listed and read, and who may. */
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { formatProjectPath } from '../../src/core/run/run.ts'
import { parsePropfind } from '../../src/http/dav/propfind.ts'
import { askDav, listDav, namesIn, propertiesOf } from './dav-request.ts'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer({ TROVE_PUBLIC_PROJECTS: 'octo/open' })
const run = '/dav/octo/app/runs/1'
const time = 'Fri, 02 Jan 2026 03:04:05 GMT'

beforeAll(async () => {
  const facts = 'branch=feature/x&job=build'
  const tar = [
    { name: 'a.txt', content: 'plain' },
    { name: 'sub/deep/b.html', content: '<p>' },
    { name: 'empty', type: 'directory' as const },
  ]
  await server.put(`1/dist?${facts}`, { tar })
  await server.put(`1/one?filename=note.md&${facts}`, { body: 'raw' })
  const put = async (project: string): Promise<number> =>
    await server.put(
      `/api/v1/projects/${formatProjectPath(project)}/runs/7/artifacts/dist?branch=main`,
      {
        token: await server.token({ project, expiresInSeconds: 86_400 }),
        tar,
      },
    )
  await put('octo/open')
  await put('octo/closed')
  await put('acme/platform/api')
})

const token = async (project: string): Promise<{ token: string }> => ({
  token: await server.token({ project }),
})

describe('the tree', () => {
  test('has owners, projects, runs or branches, artifacts and their files', async () => {
    const folders: [string, string[]][] = [
      ['/dav/', ['octo/']],
      ['/dav/octo/', ['app/', 'open/']],
      ['/dav/octo/app/', ['latest/', 'runs/']],
      ['/dav/octo/app/runs/', ['1/']],
      [`${run}/`, ['dist/', 'one/']],
      [`${run}/dist/`, ['a.txt', 'empty/', 'sub/']],
      [`${run}/dist/sub/`, ['deep/']],
      [`${run}/dist/sub/deep/`, ['b.html']],
      [`${run}/dist/empty/`, []],
      [`${run}/one/`, ['note.md']],
    ]
    for (const [path, names] of folders)
      expect([path, (await namesIn(server, path)).toSorted()]).toEqual([path, names])
  })

  test('writes the slashes of branches and of groups as in addresses of pages', async () => {
    expect(await namesIn(server, '/dav/octo/app/latest/')).toEqual(['feature~x/'])
    expect(await namesIn(server, '/dav/octo/app/latest/feature~x/dist/')).toHaveLength(3)
    const group = await token('acme/platform/api')
    expect(await namesIn(server, '/dav/', group)).toContain('acme~platform/')
    expect(await namesIn(server, '/dav/acme~platform/', group)).toEqual(['api/'])
    expect(await namesIn(server, '/dav/acme~platform/api/runs/', group)).toEqual(['7/'])
  })

  test('names the newest artifact of several attempts', async () => {
    await server.put('5/dist?attempt=1&branch=other&filename=old', { body: 'old' })
    await server.put('5/dist?attempt=2&branch=other&filename=new', { body: 'new' })
    expect(await namesIn(server, '/dav/octo/app/runs/')).toEqual(['5/', '1/'])
    expect(await namesIn(server, '/dav/octo/app/runs/5/')).toEqual(['dist/'])
    expect(await namesIn(server, '/dav/octo/app/runs/5/dist/')).toEqual(['new'])
  })

  test('prefers what is not of a pull request, as references do', async () => {
    const put = async (number: number, event: string, name: string): Promise<number> =>
      await server.put(`${number}/${name}?branch=topic&event=${event}&filename=${event}`)
    await put(21, 'push', 'both')
    await put(22, 'pull_request', 'both')
    await put(22, 'pull_request', 'fork')
    expect((await namesIn(server, '/dav/octo/app/latest/topic/')).toSorted()).toEqual([
      'both/',
      'fork/',
    ])
    expect(await namesIn(server, '/dav/octo/app/latest/topic/both/')).toEqual(['push'])
  })

  test('lists a directory of several pages', async () => {
    const names = Array.from({ length: 1200 }, (_, index) => `f${String(index).padStart(4, '0')}`)
    const tar = names.map((name) => ({ name: `wide/${name}` }))
    await server.put('30/wide', { tar })
    expect(await namesIn(server, '/dav/octo/app/runs/30/wide/wide')).toEqual(names)
  })

  test.each([
    'nobody',
    'octo/app/other',
    'octo/app/runs/99',
    'octo/app/runs/._1',
    'octo/app/runs/1/none',
    'octo/app/runs/1/di:st',
    'octo/app/runs/1/dist/none',
    'octo/app/runs/1/dist/a.txt/x',
    'octo/app/runs/1/dist/sub%2Fdeep',
    'octo/app/runs/1//dist',
    'octo/app/latest/none',
    'octo/a b/runs',
  ])('has no %s', async (path) => {
    for (const method of ['PROPFIND', 'GET'])
      expect((await askDav(server, `/dav/${path}`, { method })).status).toBe(404)
  })

  test('tells a client that left out the slash of a folder', async () => {
    const response = await askDav(server, run, { depth: '0' })
    expect(response.headers.get('content-location')).toBe(`${run}/`)
    expect(await response.text()).toContain(`<D:href>${run}/</D:href>`)
  })
})

describe('PROPFIND', () => {
  const file = `${run}/dist/a.txt`
  const all = {
    resourcetype: '',
    displayname: 'a.txt',
    getcontentlength: '5',
    getcontenttype: 'text/plain; charset=utf-8',
    getetag: `"${digestOf('plain')}"`,
    getlastmodified: time,
    creationdate: expect.stringMatching(/^20\d\d-.*Z$/),
  }
  const asks = (inner: string): string =>
    `<?xml version="1.0"?>\n<D:propfind xmlns:D="DAV:">${inner}</D:propfind>`

  test.each([undefined, '', asks('<D:allprop/>'), asks('<D:allprop/><D:include><x/></D:include>')])(
    'tells all properties: %j',
    async (body) => {
      const request = { depth: '0', ...(body !== undefined && { body }) }
      expect(await listDav(server, file, request)).toEqual([
        { href: file, found: all, missing: [] },
      ])
    },
  )

  test('tells names only', async () => {
    const [named] = await listDav(server, file, { depth: '0', body: asks('<D:propname/>') })
    expect(named!.found).toEqual(Object.fromEntries(Object.keys(all).map((name) => [name, ''])))
  })

  test('tells the wanted properties, and which there are not', async () => {
    const wanted = asks(
      '<D:prop><D:getetag/><x:executable xmlns:x="urn:x?a=1&amp;b=&lt;2"/><getetag xmlns="urn:y"/>' +
        '<D:resourcetype/><D:quota/></D:prop>',
    )
    const [itself, found] = await listDav(server, `${run}/dist/`, { body: wanted })
    expect(itself).toMatchObject({
      found: { resourcetype: '<D:collection>' },
      missing: ['executable', 'getetag', 'quota'],
    })
    expect(found).toEqual({
      href: file,
      found: { resourcetype: '', getetag: all.getetag },
      missing: ['executable', 'getetag', 'quota'],
    })
    const answer = await askDav(server, file, { depth: '0', body: wanted })
    const text = await answer.text()
    expect(text).toContain('xmlns:D="DAV:" xmlns:n1="urn:x?a=1&#38;b=&#60;2" xmlns:n2="urn:y">')
    expect(text).toContain('<D:prop><n1:executable/><n2:getetag/><D:quota/></D:prop>')
  })

  test('writes a long namespace once, whatever it is asked for', async () => {
    const props = Array.from({ length: 98 }, (_, index) => `<p:a${index}/>`).join('')
    const body = `<D:propfind xmlns:D="DAV:" xmlns:p='${'"'.repeat(9000)}'><D:prop>${props}<p:a/><a/></D:prop></D:propfind>`
    const [itself] = await listDav(server, file, { depth: '0', body })
    expect(itself!.missing).toHaveLength(99)
    const answer = await askDav(server, `${run}/dist/`, { body })
    expect((await answer.text()).length).toBeLessThan(60_000)
  })

  test('reads a body of many namespaces quickly', () => {
    const names = Array.from({ length: 700 }, (_, index) => index.toString(36))
    const flat = names.map((name) => ` xmlns:${name}="${name}"`).join('')
    const deep = names.map((name) => `<a xmlns:${name}="a">`).join('') + '</a>'.repeat(700)
    const body = Buffer.from(`<propfind xmlns="DAV:"${flat}>${deep}<allprop/></propfind>`)
    const copied = vi.spyOn(Map.prototype, 'set')
    expect(parsePropfind(body)).toEqual({ kind: 'all' })
    const { length } = copied.mock.calls
    copied.mockRestore()
    expect(length).toBeLessThan(5 * names.length)
  })

  test('reads a body of many levels quickly', () => {
    const body = Buffer.from(`<propfind xmlns="DAV:">${'<a>'.repeat(2000)}`)
    const asked = (['has', 'get'] as const).map((name) => vi.spyOn(Map.prototype, name))
    expect(() => parsePropfind(body)).toThrow('not well-formed')
    const counts = asked.map(({ mock }) => mock.calls.length)
    for (const each of asked) each.mockRestore()
    expect(Math.max(...counts)).toBeLessThan(5000)
  })

  test('reads UTF-16, and prefixes as they are declared', async () => {
    const text = '<propfind xmlns="DAV:"><prop><p:a xmlns:p="urn:p"/></prop></propfind>'
    const body = Buffer.from(`\ufeff${text}`, 'utf16le')
    expect(await listDav(server, file, { depth: '0', body })).toMatchObject([{ missing: ['a'] }])
    expect((await askDav(server, file, { body: body.swap16() })).status).toBe(207)
  })

  test.each([
    'no XML',
    '<propfind/>',
    asks(''),
    asks('<D:prop>'),
    asks('<D:prop></D:propp>'),
    asks('<D:prop><y:a/></D:prop>'),
    asks('<D:prop><y:a xmlns:y=""/></D:prop>'),
    asks('<D:prop><D:a&amp;b/></D:prop>'),
    `${asks('<D:propname/>')}${asks('<D:propname/>')}`,
    `${asks('<D:propname/>')}more`,
    asks('<D:propname/>').slice(0, -3),
  ])('rejects %s', async (body) => {
    const response = await askDav(server, file, { body })
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('PROPFIND'),
    ])
  })

  test('expands no entities', async () => {
    const body =
      '<!DOCTYPE a [<!ENTITY e "eeee">]><D:propfind xmlns:D="DAV:"><D:prop><a xmlns="&e;"/></D:prop></D:propfind>'
    const answer = await askDav(server, file, { body })
    expect(await answer.text()).not.toContain('eeee')
  })

  test('bounds the body and what it asks for', async () => {
    const props = Array.from({ length: 101 }, (_, index) => `<D:p${index}/>`).join('')
    for (const body of [asks(`<D:prop>${props}</D:prop>`), asks(' '.repeat(20_000))])
      expect((await askDav(server, file, { body })).status).toBe(413)
  })

  test('refuses to list all levels, and says so by the precondition of RFC 4918', async () => {
    for (const headers of [{ depth: 'infinity' }, { depth: 'Infinity' }, {}]) {
      const answer = await server.send(`${run}/`, { method: 'PROPFIND', headers })
      expect([answer.status, await answer.text()]).toEqual([
        403,
        expect.stringContaining('<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>'),
      ])
    }
    expect((await askDav(server, `${run}/`, { depth: '2' })).status).toBe(400)
  })
})

describe('reading', () => {
  const file = `${run}/dist/a.txt`

  test('sends a file with the properties that PROPFIND tells', async () => {
    const found = await propertiesOf(server, file)
    for (const method of ['GET', 'HEAD']) {
      const answer = await server.send(file, { method, headers: { 'accept-encoding': 'gzip' } })
      expect([answer.status, await answer.text()]).toEqual([200, method === 'GET' ? 'plain' : ''])
      const told = (name: string): string | null => answer.headers.get(name)
      expect(told('etag')).toBe(found['getetag'])
      expect(told('last-modified')).toBe(found['getlastmodified'])
      expect(told('content-length')).toBe(found['getcontentlength'])
      expect(told('content-type')).toBe(found['getcontenttype'])
      expect(told('accept-ranges')).toBe('bytes')
      expect(told('content-security-policy')).toContain('sandbox')
    }
  })

  test('sends ranges, and nothing to who has it', async () => {
    const part = await server.send(file, { headers: { range: 'bytes=1-3' } })
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 1-3/5',
      'lai',
    ])
    const etag = `"${digestOf('plain')}"`
    expect((await server.send(file, { headers: { 'if-none-match': etag } })).status).toBe(304)
    const beyond = await server.send(file, { headers: { range: 'bytes=9-' } })
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */5'])
  })

  test('gives a file without a time that of its upload, and never one in the future', async () => {
    const future = new Date(server.clock.now + 1e9)
    await server.put('40/new', { tar: [{ name: 'f', mtime: future, content: 'f' }] })
    const uploaded = new Date(server.clock.now).toUTCString()
    for (const path of ['/dav/octo/app/runs/40/new/f', `${run}/one/note.md`]) {
      const found = await propertiesOf(server, path)
      expect([path, found['getlastmodified']]).toEqual([path, uploaded])
    }
  })

  test('has no content of folders', async () => {
    for (const path of ['/dav', '/dav/', '/dav/octo/app/', `${run}/dist`, `${run}/dist/sub/`]) {
      const answer = await server.send(path)
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'OPTIONS, PROPFIND'])
      expect(await answer.text()).toContain('this is a folder')
    }
  })

  test.each(['PUT', 'POST', 'DELETE', 'PATCH', 'COPY', 'MOVE', 'LOCK', 'UNLOCK', 'PROPPATCH'])(
    'knows no %s',
    async (method) => {
      for (const path of [file, `${run}/`, '/dav']) {
        const answer = await server.send(path, { method, body: 'x', token: null })
        expect([answer.status, answer.headers.get('allow')]).toEqual([
          405,
          'OPTIONS, GET, HEAD, PROPFIND',
        ])
        expect(await answer.text()).toBe(`artifacts are read-only here: there is no ${method}\n`)
      }
    },
  )

  test('makes no folder, and does not claim that there is one', async () => {
    const answer = await server.send(`${run}/new/`, { method: 'MKCOL', token: null })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toBe('artifacts are read-only here: there is no MKCOL\n')
  })

  test('says what it is, without a token, also at the root of the host', async () => {
    for (const path of ['/', '/dav', '/dav/', file]) {
      const { status, headers } = await server.send(path, { method: 'OPTIONS', token: null })
      expect([status, headers.get('dav'), headers.get('ms-author-via')]).toEqual([200, '1', 'DAV'])
      expect(headers.get('allow')).toContain('PROPFIND')
    }
  })

  test('an artifact that has expired is gone', async () => {
    const id = await server.put('50/short?branch=brief&filename=f')
    const folder = '/dav/octo/app/latest/brief/'
    const path = `${folder}short/f`
    expect(await namesIn(server, folder)).toEqual(['short/'])
    const json = { expiresInSeconds: 0 }
    await server.send(`/api/v1/artifacts/${id}`, { method: 'PATCH', json })
    expect(await namesIn(server, folder)).toEqual([])
    for (const method of ['GET', 'PROPFIND'])
      expect((await askDav(server, path, { method })).status).toBe(410)
    expect(await namesIn(server, '/dav/octo/app/runs/')).not.toContain('50/')
  })
})

describe('symlinks', () => {
  const folder = '/dav/octo/app/runs/60/links'
  const link = (name: string, linkname: string) => ({ name, linkname, type: 'symlink' as const })

  beforeAll(async () => {
    await server.put('60/links', {
      tar: [
        { name: 'lib/libx.so.1', content: 'library' },
        link('lib/libx.so', 'libx.so.1'),
        link('top', './lib//libx.so'),
        link('sub/up', '../lib/libx.so.1'),
        link('dangling', 'none'),
        link('directory', 'lib'),
        link('through', 'directory/libx.so.1'),
        link('round/a', 'b'),
        link('round/b', 'a'),
        link('sub/back', 'x/../up'),
        link('sub/itself', '..'),
      ],
    })
  })

  test('to files of the artifact are those files', async () => {
    expect(await namesIn(server, `${folder}/`)).toEqual(['lib/', 'round/', 'sub/', 'top'])
    expect(await namesIn(server, `${folder}/sub/`)).toEqual(['up'])
    for (const path of ['top', 'sub/up', 'lib/libx.so']) {
      expect(await (await server.send(`${folder}/${path}`)).text()).toBe('library')
      expect(await propertiesOf(server, `${folder}/${path}`)).toMatchObject({
        getcontentlength: '7',
        displayname: path.split('/').at(-1),
        getlastmodified: time,
      })
    }
  })

  test('to anything else are left out', async () => {
    expect(await namesIn(server, `${folder}/round/`)).toEqual([])
    for (const path of [
      'dangling',
      'directory',
      'directory/libx.so.1',
      'through',
      'round/a',
      'sub/back',
      'sub/itself',
    ])
      for (const method of ['GET', 'PROPFIND'])
        expect([path, (await askDav(server, `${folder}/${path}`, { method })).status]).toEqual([
          path,
          404,
        ])
  })
})

test('any name is listed as valid XML, and found under the address that is listed', async () => {
  const names = [
    `a&b<c>"d'.txt`,
    ']]>',
    '100%.txt',
    '%41',
    '#?;=+ :@.txt',
    'back\\slash',
    'ni\u0303no',
    'ni\u00f1o',
    'no\ufffe\uffff',
    '\u0085\u009f\u202e',
    '😀',
    ' blank ',
    '...',
  ]
  const artifact = '&1 %41 ü~'
  await server.put(`70/${encodeURIComponent(artifact)}`, {
    tar: names.flatMap((name) => [{ name, content: name }, { name: `in ${name}/${name}` }]),
  })
  const [folder] = await namesIn(server, '/dav/octo/app/runs/70/')
  expect(folder).toBe(`${artifact}/`)
  const root = `/dav/octo/app/runs/70/${encodeURIComponent(artifact)}/`
  const children = (await listDav(server, root)).slice(1)
  expect(children).toHaveLength(2 * names.length)
  for (const { href, found } of children) {
    const name = decodeURIComponent(href.slice(root.length))
    expect(found['displayname']).toBe(name.replace(/[\ufffe\uffff]/g, '\ufffd').replace(/\/$/, ''))
    if (name.endsWith('/')) expect(await namesIn(server, href)).toEqual([name.slice(3, -1)])
    else expect(await (await server.send(href)).text()).toBe(name)
  }
})

describe('who may', () => {
  const basic = (user: string, password: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  })
  const file = `${run}/dist/a.txt`
  const status = async (path: string, headers: Record<string, string>): Promise<number> => {
    const listed = await askDav(server, path, { depth: '0', token: null, headers })
    const read = await server.send(path, { token: null, headers })
    expect(read.status).toBe(listed.status === 207 ? 200 : listed.status)
    return listed.status
  }

  test('a token is a password, for any user, or begins in the name of the user', async () => {
    const own = await server.token()
    const other = await server.token({ project: 'octo/closed' })
    expect(await status(file, basic('anyone', own))).toBe(207)
    expect(await status(file, basic('', own))).toBe(207)
    expect(await status(file, basic(own.slice(0, 160), own.slice(160)))).toBe(207)
    expect(await status(file, { authorization: `Bearer ${own}` })).toBe(207)
    expect(await status(file, basic('anyone', other))).toBe(404)
    expect(await status(file, basic(own, ''))).toBe(207)
    expect(await status(file, basic('anyone', 'wrong'))).toBe(401)
    expect(await status(file, basic('anyone', `${own}x`))).toBe(401)
    expect(await status(file, { authorization: 'Basic !' })).toBe(401)
    const cookie = { cookie: `trove_session=${await server.token({}, 'session')}` }
    expect(await status(file, cookie)).toBe(401)
  })

  test('a client without a token is asked for a password, and only here', async () => {
    const answer = await askDav(server, '/dav/octo/app', { token: null })
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Basic realm="trove", charset="UTF-8"',
    ])
    const wrong = await askDav(server, run, { token: null, headers: basic('any', 'wrong') })
    expect(await wrong.text()).toBe(
      'the token was not issued by this server; here a token can also be the password, with any user name\n',
    )
    const elsewhere = await server.send('/api/v1/artifacts/1', {
      token: null,
      headers: basic('x', await server.token()),
    })
    expect([elsewhere.status, elsewhere.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="trove"',
    ])
  })

  test('without a token the public projects are there', async () => {
    const visitor = { token: null }
    expect(await namesIn(server, '/dav/', visitor)).toEqual(['octo/'])
    expect(await namesIn(server, '/dav/octo/', visitor)).toEqual(['open/'])
    expect(await namesIn(server, '/dav/octo/open/latest/main/dist/', visitor)).toHaveLength(3)
    for (const path of ['/dav/octo/closed/', '/dav/octo/none/'])
      expect((await askDav(server, path, visitor)).status).toBe(401)
  })

  test('a token of one run sees that run', async () => {
    await server.put('80/mine?branch=main&filename=f')
    const grant = { project: 'octo/app', run: 80, job: 'build', scope: 'run' } as const
    const own = { token: await server.token(grant) }
    expect(await namesIn(server, '/dav/octo/app/', own)).toEqual(['runs/'])
    expect(await namesIn(server, '/dav/octo/app/runs/', own)).toEqual(['80/'])
    expect(await namesIn(server, '/dav/octo/app/runs/80/mine/', own)).toEqual(['f'])
    expect((await askDav(server, `${run}/`, own)).status).toBe(404)
    expect((await askDav(server, file, own)).status).toBe(404)
    for (const path of ['/dav/octo/app/latest/', '/dav/octo/app/latest/main/'])
      expect((await askDav(server, path, own)).status).toBe(403)
  })
})
