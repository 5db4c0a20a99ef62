/** Tokens and public projects: a token reads what everyone may read, and gains nothing else. */
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { decodeOrdinals } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { manifestHeader } from '../../src/core/manifest/manifest.ts'
import { githubToken } from '../core/made-up-secrets.ts'
import { openServer, openSharedServer, type SendRequest } from './open-server.ts'
import { scanNow } from './scan-now.ts'

const server = await openSharedServer({
  TROVE_PUBLIC_PROJECTS: 'octo/open',
  TROVE_SECRETS: 'off',
})
const api = '/api/v1'
const content = 'a content of the public project'
const text = `${manifestHeader}f 644 ${content.length} ${digestOf(content)} file\n`
let id: number
let foreign: string
beforeAll(async () => {
  const token = await server.token({ project: 'octo/open' })
  const tar = [
    { name: 'file', content },
    { name: 'ci.log', content: githubToken('open') },
    { name: 'report/index.html', content: '<h1>Report</h1>' },
  ]
  const path = `${api}/projects/octo/open/runs/1/artifacts/dist`
  id = await server.put(`${path}?branch=main`, { token, tar })
  await scanNow(server)
  foreign = await server.token({ project: 'octo/elsewhere' })
})

const statusOf = async (path: string, request: SendRequest = {}): Promise<number> =>
  (await server.send(path, { token: foreign, ...request })).status

test('a token of another project reads a public project, as everyone does', async () => {
  for (const path of [
    `${api}/artifacts/${id}`,
    `${api}/artifacts/${id}/archive.zip`,
    `${api}/artifacts?project=octo/open`,
    `${api}/search?project=octo/open&path=**`,
    '/repos/octo/open/actions/artifacts',
  ]) {
    const answer = await server.send(path, { token: foreign })
    expect(answer.status).toBe(200)
    expect(await answer.text()).not.toMatch(/"secrets":\d/)
  }
  const home = await server.visit('/', { project: 'octo/elsewhere' })
  expect(await home.text()).toContain('/octo/open"')
})

test('it gets no further', async () => {
  const digest = `sha256:${digestOf(content)}`
  for (const [path, request] of [
    [`${api}/artifacts/${id}`, { method: 'DELETE' }],
    [`${api}/artifacts/${id}`, { method: 'PATCH', json: { pinned: true } }],
    [`${api}/artifacts/${id}/secrets`, {}],
    [`${api}/artifacts/${id}/secrets`, { method: 'PATCH', json: { digest, dismissed: true } }],
    [`${api}/artifacts?project=octo/open&secrets`, {}],
    [`${api}/stats?project=octo/open`, {}],
    [`${api}/audit?project=octo/open`, {}],
    [`${api}/tokens?project=octo/open`, {}],
    [`${api}/projects/octo/open/runs/9/artifacts/new`, { method: 'PUT', body: 'x' }],
    [
      `${api}/projects/octo/open/dismissed-secrets`,
      { method: 'POST', json: { digests: [digest] } },
    ],
  ] satisfies [string, SendRequest][])
    expect([path, await statusOf(path, request)]).toEqual([path, 403])
  for (const path of ['storage', 'settings', 'settings/retention', 'upload', 'settings/audit'])
    expect([
      path,
      (await server.visit(`/octo/open/${path}`, { project: 'octo/elsewhere' })).status,
    ]).toEqual([path, 403])
})

const offer = (project: string, name: string) => ({
  project,
  run: 2,
  name,
  treeDigest: `sha256:${digestOf(text)}`,
  entryCount: 1,
  fileCount: 1,
  logicalBytes: content.length,
  timesDigest: `sha256:${'0'.repeat(64)}`,
})

/** Offers the tree to a project, and returns the files that the server asks for. */
async function missingOf(project: string, token: string): Promise<number[]> {
  const json = offer(project, 'copied')
  const opened = await server.send(`${api}/uploads`, { method: 'POST', token, json })
  const session = (await opened.json()) as { state: string; id: string }
  expect(session).toMatchObject({ state: 'open', needs: 'manifest' })
  const query = `tree=${encodeURIComponent(json.treeDigest)}&entries=1`
  const path = `${api}/uploads/${session.id}/manifest?${query}`
  const answer = await server.send(path, { method: 'POST', token, body: gzipSync(text) })
  return decodeOrdinals(new Uint8Array(await answer.arrayBuffer()))
}

test('an upload uses contents of a project only by a token that reads it (invariant 10)', async () => {
  expect(await missingOf('octo/open', await server.token({ project: 'octo/open' }))).toEqual([])
  expect(await missingOf('octo/elsewhere', foreign)).toEqual([0])
  const ofRun = await server.token({ project: 'octo/open', scope: 'run', run: 2, job: 'build' })
  expect((await server.send(`${api}/artifacts/${id}`, { token: ofRun })).status).toBe(200)
  expect(await missingOf('octo/open', ofRun)).toEqual([0])
})

test('a token of one run reads all of its public project, but findings of its run only', async () => {
  const token = await server.token({ project: 'octo/open', scope: 'run', run: 1, job: 'build' })
  const other = await server.token({ project: 'octo/open', scope: 'run', run: 2, job: 'build' })
  const list = `${api}/artifacts?secrets`
  const idsOf = async (bearer: string): Promise<number[]> => {
    const answer = await server.send(list, { token: bearer })
    return ((await answer.json()) as { items: { id: number }[] }).items.map((each) => each.id)
  }
  expect(await idsOf(token)).toEqual([id])
  expect(await idsOf(other)).toEqual([])
  const secretsOf = async (bearer: string): Promise<unknown> => {
    const answer = await server.send(`${api}/artifacts/${id}`, { token: bearer })
    return ((await answer.json()) as { secrets: unknown }).secrets
  }
  expect([await secretsOf(token), await secretsOf(other)]).toEqual([1, null])
})

test('those of a public project are told that everyone reads it', async () => {
  const pageOf = async (path: string, project: string): Promise<string> =>
    await (await server.visit(path, { project })).text()
  const artifact = `/octo/open/actions/runs/1/artifacts/${id}`
  expect(await pageOf(artifact, 'octo/open')).toContain('usable by everyone')
  expect(await pageOf('/octo/open/settings', 'octo/open')).toContain('Everyone may read')
  await server.put('/api/v1/projects/octo/elsewhere/runs/1/artifacts/dist', { token: foreign })
  expect(await pageOf('/octo/elsewhere/settings', 'octo/elsewhere')).not.toContain('Everyone')
})

test('an HTML report is shown, and loads its parts, without a credential', async () => {
  const page = `/octo/open/actions/runs/1/artifacts/${id}/blob/report/index.html`
  const text = await (await server.send(page, { token: null })).text()
  const [, document = ''] = /<iframe[^>]* src="([^"]+)"/.exec(text) ?? []
  expect(document).toMatch(/^\/content\//)
  const shown = await server.send(document, { token: null })
  expect([shown.status, await shown.text()]).toEqual([200, '<h1>Report</h1>'])
})

test('the client reads a public project without a token', async () => {
  const client = createClient({ url: server.url, token: null, cacheDir: null })
  const found: number[] = []
  for await (const artifact of client.list({ project: 'octo/open' })) found.push(artifact.id)
  expect(found).toContain(id)
})

test('without public projects, nothing is read without a credential', async () => {
  const plain = await openServer()
  try {
    const made = await plain.put('1/dist')
    expect((await plain.send(`${api}/artifacts/${made}`, { token: null })).status).toBe(401)
    expect((await plain.send('/', { token: null })).headers.get('location')).toContain('/sign-in')
  } finally {
    await plain.close()
  }
})

test('when no public project exists yet, the first page asks for a credential', async () => {
  const early = await openServer({ TROVE_PUBLIC_PROJECTS: 'octo/soon' })
  try {
    expect((await early.send('/', { token: null })).headers.get('location')).toContain('/sign-in')
    const soon = await early.send('/octo/soon', { token: null })
    expect(soon.status).toBe(404)
  } finally {
    await early.close()
  }
})
