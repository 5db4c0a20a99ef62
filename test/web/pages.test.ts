/** What pages show and to whom: projects, runs, artifacts, deletions, maintenance. */
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import type { TarEntry } from '../http/archives-of.ts'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openServer, openSharedServer, problemOf } from '../http/open-server.ts'
import { seedRuns } from './seed-runs.ts'

const hostile = '<img src=x onerror=alert(1)>&"\''
const hostileName = "x&y '1' #2"

const server = await openSharedServer()
let id: number
beforeAll(async () => {
  const tar: TarEntry[] = [
    { name: hostile, content: 'x' },
    { name: 'dir/inner.txt', content: 'inner' },
    { name: 'link', type: 'symlink', linkname: '</td><b>' },
  ]
  const query = `branch=${encodeURIComponent('<b>main')}&workflow=${encodeURIComponent('<i>ci')}`
  id = await server.put(`7/${encodeURIComponent(hostileName)}?${query}`, { tar })
})

async function open(
  path: string,
  visitor: TokenRequest = {},
): Promise<{ status: number; html: string }> {
  const response = await server.visit(path, visitor)
  return { status: response.status, html: await response.text() }
}

const runPage = '/octo/app/actions/runs/7'
const artifactPage = (): string => `${runPage}/artifacts/${id}`

describe('pages', () => {
  test('redirect visitors without a valid session to the sign-in page, which leads back', async () => {
    for (const path of ['/', '/octo/app', runPage, artifactPage()]) {
      for (const headers of [{}, { cookie: 'trove_session=forged' }]) {
        const response = await server.send(path, { token: null, headers })
        expect([response.status, response.headers.get('location')]).toEqual([
          302,
          `/sign-in?next=${encodeURIComponent(path)}`,
        ])
      }
    }
  })

  test('open for a visitor who follows the printed link', async () => {
    const signedIn = await server.send(server.signInUrl, { token: null })
    expect(signedIn.status).toBe(303)
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    const home = await server.send('/', { token: null, headers: { cookie } })
    expect(await home.text()).toContain('<a href="/octo/app">octo/app</a>')
  })

  test('of storage show how much an artifact shares even if deleting it frees nothing, and link to the projects', async () => {
    const project = 'octo/twins'
    const token = await server.token({ project })
    for (const run of [1, 2])
      await server.put(`/api/v1/projects/octo/twins/runs/${run}/artifacts/twin`, { token })
    const { html } = await open('/octo/twins/storage', { project })
    expect(html.match(/<\/a><span class="quiet"> shares /g)).toHaveLength(2)
    const all = await open('/admin/storage', { project: undefined, scope: 'admin' })
    // A few bytes do not get shorter by compression.
    expect(all.html).toMatch(/Stored, including \d[^<]* overhead/)
    expect(all.html).not.toContain('Saved by compression')
    expect(all.html).toContain('<a href="/?sort=unique">Size of each project</a>')
  })

  test('have a policy that allows only our own scripts, and are not cached', async () => {
    const response = await server.visit(artifactPage())
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': expect.stringMatching(/^text\/html/),
      'content-security-policy': expect.stringMatching(
        /default-src 'none'; script-src 'nonce-[A-Za-z0-9+/=]{24}'; .*require-trusted-types-for 'script'/,
      ),
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
    })
    const html = await response.text()
    expect(html).toMatch(/^<!doctype html><html lang="en">/)
    const [, nonce = ''] =
      /'nonce-([^']+)'/.exec(response.headers.get('content-security-policy') ?? '') ?? []
    const scripts = html.match(/<script[^>]*>[^<]*/g) ?? []
    expect(scripts.length).toBeGreaterThan(0)
    for (const script of scripts)
      expect(script).toMatch(/^<script type="module" src="\/assets\/[\w.-]+\.js" nonce="[^"]+">$/)
    expect(html).toContain(`nonce="${nonce}"`)
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+="/)
  })

  test('share a style sheet and scripts that are public, named by their content and cached forever', async () => {
    const html = await (await server.send('/sign-in', { token: null })).text()
    const addresses = [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(
      (match) => match[1]!,
    )
    expect(addresses).toHaveLength(2)
    for (const address of addresses) {
      const response = await server.send(address, { token: null })
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(response.headers.get('content-type')).toMatch(/^text\/(css|javascript)/)
      expect(response.headers.get('content-encoding')).toBe('gzip')
    }
    expect((await server.send('/assets/manifest.json', { token: null })).status).toBe(404)
  })
})

describe('the address of the newest artifact', () => {
  const newest = `/octo/app/latest/${encodeURIComponent('<b>main')}/${encodeURIComponent(hostileName)}`

  test('redirects to a file of it, however the path is escaped', async () => {
    for (const path of ['/dir/inner.txt', '/d%69r/inner.txt']) {
      const response = await server.visit(newest + path)
      expect(response.headers.get('location')).toBe(`${artifactPage()}/blob/dir/inner.txt`)
    }
  })

  test('is rejected if an escape is malformed', async () => {
    expect((await open(`${newest}/dir/%E0%A4%A`)).status).toBe(400)
  })
})

test('shell commands on pages do not mistake a name for a flag', async () => {
  const dashed = await server.put('77/-n', { tar: [{ name: 'a', content: 'a' }] })
  const page = `/octo/app/actions/runs/77/artifacts/${dashed}`
  expect((await open(page)).html).toContain(`trove download id:${dashed} ./-n\n`)
  expect((await open(`${page}/details`)).html).toContain(
    `trove attest id:${dashed} -o ./-n.attestation.json\n`,
  )
})

test('the details of an artifact link to its attestation, and show how to verify it', async () => {
  const { html } = await open(`${artifactPage()}/details`)
  const [, shown = ''] =
    /<summary>Verify its files later[^]*?<pre[^>]*>([^]*?)<\/pre>/.exec(html) ?? []
  const lines = shown.replaceAll('&#39;', "'").replaceAll('&amp;', '&')
  const quoted = `x&y '\\''1'\\'' #2`
  expect(lines.split('\n')).toEqual([
    `trove attest id:${id} -o '${quoted}.attestation.json'`,
    'trove attest --public-key -o trove.pub',
    `trove verify 'octo/app@7/${quoted}' DIR --attestation '${quoted}.attestation.json' --key trove.pub`,
  ])
  const [, href = ''] = /<a href="([^"]*\/attestation)" download=/.exec(html) ?? []
  expect(await (await server.visit(href)).json()).toHaveProperty('dsseEnvelope')
})

test('a page whose query is invalid links to the page without it', async () => {
  const { status, html } = await open('/octo/app/artifacts?run=abc')
  expect([status, html]).toEqual([400, expect.stringContaining('<a class="button" href="?">')])
})

test('the error page names the unknown address', async () => {
  const response = await server.send('/octo/app/none', { headers: { accept: 'text/html' } })
  expect([response.status, await response.text()]).toEqual([
    404,
    expect.stringContaining('There is no page /octo/app/none;'),
  ])
})

describe('the home page', () => {
  test('shows how to make the first upload if there are no projects', async () => {
    const { html } = await open('/', { project: 'octo/none' })
    expect(html).toContain('Nothing has been uploaded yet')
    expect(html).toContain(`export TROVE_URL=${server.url}`)
  })

  test('shows the same workflow steps as the README', async () => {
    const { html } = await open('/', { project: 'octo/none' })
    const [, ...steps] = [...html.matchAll(/<pre[^>]*>([^]*?)<\/pre>/g)].map(([, shown]) =>
      shown!
        .replaceAll('&quot;', '"')
        .replaceAll('&amp;', '&')
        .replaceAll('&gt;', '>')
        .replaceAll(server.url, 'https://store.example.com'),
    )
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    expect(steps).toHaveLength(2)
    for (const step of steps) expect(readme).toContain(`\`\`\`yaml\n${step}\n\`\`\``)
  })

  test('filters projects by a part of their name', async () => {
    const token = await server.token({ project: 'octo/library', scope: 'write' })
    await server.put('/api/v1/projects/octo/library/runs/1/artifacts/x', { token })
    const admin = { project: undefined, scope: 'admin' } as const
    const { html } = await open('/?name=LIB', admin)
    expect(html).toContain('href="/octo/library"')
    expect(html).not.toContain('href="/octo/app"')
    expect((await open('/?name=nonesuch', admin)).html).toContain(
      'No projects match. <a href="/">Clear filters</a>',
    )
  })

  test('shows a project only to visitors who can read it', async () => {
    expect((await open('/')).html).toContain('href="/octo/app"')
    expect((await open('/', { project: 'other/app' })).html).not.toContain('href="/octo/app"')
    expect((await open('/', { project: undefined, scope: 'admin' })).html).toContain(
      'href="/octo/app"',
    )
  })
})

describe('a project page', () => {
  test('lists runs with their facts, escaped', async () => {
    const { html } = await open('/octo/app')
    expect(html).toContain(`<a href="${runPage}/attempts/1">7</a>`)
    expect(html).toContain('&lt;b&gt;main')
    expect(html).not.toMatch(/<b>main|<i>ci/)
  })

  test('is not found if it belongs to others or does not exist, and forbidden to tokens of a run', async () => {
    expect((await open('/octo/app', { project: 'other/app' })).status).toBe(404)
    expect((await open('/octo/nope')).status).toBe(404)
    expect((await open('/octo/app', { scope: 'run', run: 7, job: 'j' })).status).toBe(403)
  })

  test('for finding a file reports an empty project, and a token without access', async () => {
    const address = `/find?digest=${'0'.repeat(64)}`
    const none = await open(address, { scope: 'read', project: 'octo/new' })
    expect(none.status).toBe(404)
    expect(none.html).toContain('Nothing has been uploaded to octo/new yet')
    expect((await open(address, { scope: 'run', run: 7, job: 'j' })).status).toBe(403)
    expect((await open(address, { scope: 'read' })).status).toBe(200)
  })
})

test('an unknown address gets an error page in browsers, and problem+json elsewhere', async () => {
  const path = '/acme/platform/api'
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
  const page = await server.send(path, { token: null, headers })
  expect(page.status).toBe(404)
  expect(page.headers.get('content-type')).toContain('text/html')
  const html = await page.text()
  expect(html).toContain('such as acme~platform/api.')
  expect(html).not.toContain('another token')
  expect(await problemOf(await server.send(path, { token: null }))).toMatchObject({
    status: 404,
    code: 'not_found',
  })
})

describe('a page number beyond the end of a list', () => {
  test('leads to the last page, not to that of an empty list', async () => {
    const first = await open('/', { project: undefined, scope: 'admin' })
    expect(await open('/?page=9', { project: undefined, scope: 'admin' })).toEqual({
      ...first,
      html: expect.stringContaining('octo/app'),
    })
    for (const path of ['/octo/app/artifacts?state=any', `${runPage}?`]) {
      const response = await server.visit(`${path}&page=9`)
      expect(response.status).toBe(302)
      expect(response.headers.get('location')).toBe(`${path}&page=1`.replace('?&', '?'))
    }
    const [base, head] = await Promise.all(
      ['one', 'two'].map(async (body, index) => await server.put(`${30 + index}/a`, { body })),
    )
    const compared = await open(`/octo/app/compare/${base}...${head}?page=9`)
    expect(compared.html).toContain('Entries that differ')
  })

  test('is not linked from a list that is exactly full', async () => {
    const project = 'octo/fifty'
    await seedRuns(server, { project, first: 1, count: 50, name: 'a' })
    expect((await open(`/${project}`, { project })).html).not.toContain('before=')
    const token = await server.token({ project })
    await server.put(`/api/v1/projects/${project}/runs/51/artifacts/a`, { token })
    const [, older = ''] =
      /href="([^"]*before=[^"]*)"/.exec((await open(`/${project}`, { project })).html) ?? []
    expect((await open(older, { project })).html).toContain('>1</a>')
  })
})

describe('a run page', () => {
  test('has a row for each artifact with links to its archives', async () => {
    const { html } = await open(runPage)
    expect(html).toContain(`href="/api/v1/artifacts/${id}/archive.zip"`)
    expect(html).toContain(`href="/api/v1/artifacts/${id}/archive.tar.gz"`)
    expect(html).toContain('href="/api/v1/runs/7/archive.zip?project=octo%2Fapp"')
    expect(html).toContain('x&amp;y &#39;1&#39; #2')
  })

  test('keeps the row of a deleted artifact, marked as deleted and without a download', async () => {
    const dead = await server.put('8/dead')
    await server.send(`/api/v1/artifacts/${dead}`, { method: 'DELETE' })
    const { html } = await open('/octo/app/actions/runs/8')
    expect(html).toContain('<span class="badge deleted">deleted</span>')
    expect(html).not.toContain('archive.zip')
  })

  test('is not found for a run that does not exist or that the token cannot read', async () => {
    expect((await open('/octo/app/actions/runs/12345')).status).toBe(404)
    expect((await open(runPage, { scope: 'run', run: 8, job: 'j' })).status).toBe(404)
  })
})

describe('an artifact page', () => {
  test('escapes file names and links to the files', async () => {
    const { status, html } = await open(artifactPage())
    expect(status).toBe(200)
    expect(html).not.toContain('<img')
    expect(html).not.toContain('</td><b>')
    expect(html).toContain(
      `href="${artifactPage()}/blob/${encodeURIComponent(hostile).replaceAll("'", '&#39;')}"`,
    )
    expect(html).toContain(`href="${artifactPage()}/tree/dir"`)
  })

  test('shows bidirectional control characters as U+FFFD, and leaves them in values that forms send', async () => {
    const name = 'x\u2069\u202ey'
    const turned = encodeURIComponent(name)
    const place = `${turned}?branch=${turned}&workflow=${turned}&filename=${turned}.txt`
    const put = { body: `if (a) { // ${name}` }
    const page = `/octo/app/actions/runs/17/artifacts/${await server.put(`17/${place}`, put)}`
    await server.put(`18/${place}`)
    const ofArtifact = ['', '/changes', '/delete', '/details', `/blob/${turned}.txt`]
    const addresses = [
      ...ofArtifact.map((rest) => page + rest),
      '/octo/app',
      `/octo/app/artifacts?name=${turned}`,
      '/octo/app/actions/runs/17',
      `/octo/app/search?path=${turned}.txt&branch=${turned}`,
      `/octo/app/latest/none/${turned}`,
    ]
    for (const address of addresses) {
      const { html } = await open(address)
      expect(html.replaceAll(/<[^>]*>/g, ''), address).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/)
      expect(html, address).toContain('x\ufffd\ufffdy')
    }
    const { html } = await open(`/octo/app/artifacts?name=${turned}`)
    expect(html).toContain(`value="${name}"`)
  })

  test('lists a directory', async () => {
    const { html } = await open(`${artifactPage()}/tree/dir`)
    expect(html).toContain(`/blob/dir/inner.txt"`)
    expect((await open(`${artifactPage()}/tree/nope`)).status).toBe(404)
  })

  test('exists only under its own run and project', async () => {
    expect((await open(`/octo/app/actions/runs/8/artifacts/${id}`)).status).toBe(404)
    expect((await open(`/octo/other/actions/runs/7/artifacts/${id}`)).status).toBe(404)
    expect((await open(`/OCTO/App/actions/runs/7/artifacts/${id}`)).status).toBe(200)
  })

  test('redirects a comparison under another project to its own', async () => {
    const admin = { project: undefined, scope: 'admin' } as const
    const later = await server.put('8/later')
    const there = `/octo/other/compare/${id}...${later}?file=dir%2Finner.txt`
    const response = await server.visit(there, admin)
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      `/octo/app/compare/${id}...${later}?file=dir%2Finner.txt`,
    ])
    expect((await open(`/OCTO/app/compare/${id}...${later}`, admin)).status).toBe(200)
  })

  test('says when and why the artifact was deleted, expired or replaced', async () => {
    const deleted = await server.put('9/deleted')
    await server.send(`/api/v1/artifacts/${deleted}`, { method: 'DELETE' })
    expect(await open(`/octo/app/actions/runs/9/artifacts/${deleted}`)).toMatchObject({
      status: 410,
      html: expect.stringMatching(
        /This artifact was deleted.*Artifact deleted was deleted by a person at 20\S+ \S+ UTC\./,
      ),
    })
    const { html } = await open(`/octo/app/actions/runs/9/artifacts/${deleted}`)
    expect(html).toContain('<button>Restore</button>')
    expect(html).not.toContain('no longer available')
    expect(html).toContain('<a href="/octo/app/actions/runs/9">Run 9</a>')
    const expired = await server.put('9/expired?retentionDays=1')
    server.clock.now += 86_400_000
    expect(await open(`/octo/app/actions/runs/9/artifacts/${expired}`)).toMatchObject({
      status: 410,
      html: expect.stringMatching(
        /has expired.*Artifact expired expired at 20\S+ \S+ UTC, 1 day from its upload\./,
      ),
    })
    const replaced = await server.put('9/replaced')
    await server.put('9/replaced?overwrite', { body: 'another' })
    expect(await open(`/octo/app/actions/runs/9/artifacts/${replaced}`)).toMatchObject({
      status: 410,
      html: expect.stringMatching(/Artifact replaced was replaced by a person at 20/),
    })
  })
})

// A fork can name its branch `main`.
test('artifacts of pull requests are neither previous nor newest artifacts of a branch', async () => {
  const upload = async (run: number, event: string): Promise<number> =>
    await server.put(`${run}/same?branch=main&event=${event}`, { body: `${run}` })
  const before = await upload(20, 'push')
  const fork = await upload(21, 'pull_request')
  const after = await upload(22, 'push')
  const page = `/octo/app/actions/runs/22/artifacts/${after}`
  expect((await open(`${page}/changes`)).html).toContain(`/compare/${before}...${after}"`)
  expect((await open('/octo/app/actions/runs/22')).html).toContain(`/compare/${before}...${after}"`)
  await server.send(`/api/v1/artifacts/${after}`, { method: 'DELETE' })
  expect((await open(page)).html).toContain(
    `href="/octo/app/actions/runs/20/artifacts/${before}"><span>Newest version: run 20, <time`,
  )
  const changes = await open(`/octo/app/actions/runs/21/artifacts/${fork}/changes`)
  expect(changes.html).toContain(`/compare/${before}...${fork}"`)
})

test('another attempt of a run does not count as its previous run', async () => {
  const upload = async (run: number, attempt: number): Promise<number> =>
    await server.put(`${run}/tried?branch=main&attempt=${attempt}`, { body: `${run} ${attempt}` })
  const before = await upload(25, 1)
  await upload(26, 1)
  const again = await upload(26, 2)
  const page = '/octo/app/actions/runs/26'
  expect((await open(page)).html).toContain(`/compare/${before}...${again}"`)
  expect((await open(`${page}/artifacts/${again}/changes`)).html).toContain(
    `/compare/${before}...${again}"`,
  )
  const { html } = await open('/octo/app')
  for (const attempt of [1, 2])
    expect(html).toContain(`<a href="${page}/attempts/${attempt}">26</a>`)
})

test('a token that reads one run reveals nothing of the artifacts of other runs', async () => {
  const upload = async (run: number): Promise<number> =>
    await server.put(`${run}/narrow?branch=main`, {
      body: `${run}`,
    })
  const other = await upload(30)
  const own = await upload(31)
  const ofOther = new RegExp(`/runs/30/|/compare/${other}\\.|value="${other}"`)
  const narrow = { scope: 'run', run: 31, job: 'j' } as const
  const page = `/octo/app/actions/runs/31/artifacts/${own}`
  for (const tab of ['', '/blob/narrow', '/used', '/details', '/changes'])
    expect((await open(page + tab, narrow)).html, tab).not.toMatch(ofOther)
  expect((await open(`${page}/changes`, narrow)).status).toBe(403)
  await server.send(`/api/v1/artifacts/${own}`, { method: 'DELETE' })
  expect((await open(page)).html).toMatch(ofOther)
  expect((await open(page, narrow)).html).not.toMatch(ofOther)
})

describe('deleting from a page', () => {
  async function post(
    artifactId: number,
    headers: Record<string, string>,
    visitor: TokenRequest = {},
  ): Promise<Response> {
    const path = `/octo/app/actions/runs/10/artifacts/${artifactId}/delete`
    return await server.visit(path, visitor, { method: 'POST', headers })
  }

  test('requires a form of our own origin', async () => {
    const kept = await server.put('10/kept')
    for (const headers of [{}, { origin: 'https://evil.example' }]) {
      expect((await post(kept, headers)).status).toBe(403)
    }
    expect((await open(`/octo/app/actions/runs/10/artifacts/${kept}`)).status).toBe(200)
  })

  test('reports a form that is too large', async () => {
    const response = await server.visit('/octo/app/artifacts', undefined, {
      method: 'POST',
      headers: { origin: server.url },
      body: `action=keep&id=${'1'.repeat(1024 * 1024)}`,
    })
    expect(response.status).toBe(413)
    expect(await response.text()).toContain('Too much at once')
  })

  test('works for writers, and is not offered to readers', async () => {
    const doomed = await server.put('10/doomed')
    const page = `/octo/app/actions/runs/10/artifacts/${doomed}`
    expect((await open(`${page}/delete`)).html).toContain('Delete <bdi>doomed</bdi>?')
    expect((await open(`${page}/delete`, { scope: 'read' })).status).toBe(403)
    expect((await open(page, { scope: 'read' })).html).not.toContain('/delete"')
    expect((await post(doomed, { origin: server.url }, { scope: 'read' })).status).toBe(403)
    const done = await post(doomed, { origin: server.url })
    expect([done.status, done.headers.get('location')]).toEqual([
      303,
      `/octo/app/actions/runs/10?deleted=${doomed}`,
    ])
    expect((await open(page)).status).toBe(410)
  })
})

test('the maintenance page says that automatic runs are on hold after the clock jumped', async () => {
  const own = await openServer()
  try {
    const look = async (): Promise<string> => {
      const response = await own.visit('/admin/maintenance', { scope: 'admin' })
      return (await response.text()).replaceAll(/\s+/g, ' ')
    }
    expect(await look()).not.toContain('clock is')
    own.clock.jumpedMs = 20 * 365 * 86_400_000
    own.clock.now += own.clock.jumpedMs
    expect(await look()).toContain(
      'The server’s clock is 7,300 days ahead of the time known to have passed: the clock was set, or the server was down. To lose nothing to a wrong clock, automatic runs are on hold for another 12 hours.',
    )
  } finally {
    await own.close()
  }
})
