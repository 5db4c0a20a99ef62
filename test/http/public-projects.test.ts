/** Projects that everyone may read (TROVE_PUBLIC_PROJECTS). Every route of the table is asked
 *  without a credential for a public project, for one that is not public, and for one that does
 *  not exist; the last two must look the same. */
import { beforeAll, describe, expect, test } from 'vitest'
import { openApiDocument } from '../../src/api/openapi.ts'
import { apiRoutes } from '../../src/api/routes.ts'
import { githubToken } from '../core/made-up-secrets.ts'
import { openSharedServer, problemOf } from './open-server.ts'
import { api, type Ask, digest, mountedRoutes, type Place, rules } from './public-routes.ts'
import { scanNow } from './scan-now.ts'
import { annotation, summary } from './step-events.ts'

const server = await openSharedServer({
  TROVE_PUBLIC_PROJECTS: 'octo/open OCTO/wide-*',
  TROVE_SECRETS: 'off',
})
const remover = 'job-that-deletes'
const secretFile = 'settings.log'
let open: Place
let closed: Place
const nowhere: Place = { project: 'octo/nothing', id: 99_999, later: 99_998, job: 99_999 }

beforeAll(async () => {
  open = await fill('octo/open')
  closed = await fill('octo/closed')
  await scanNow(server)
})

async function fill(project: string): Promise<Place> {
  const token = await server.token({ project, expiresInSeconds: 86_400 })
  const put = async (number: number, name: string): Promise<number> => {
    const facts = 'branch=main&job=build&workflow=CI&pullRequest=7&sha=' + 'a'.repeat(40)
    const path = `${api}/projects/${project}/runs/${number}/artifacts/${name}?${facts}`
    // The same tree in both projects, so that what one shares with the other could show.
    const content = `${githubToken('same')}\n`
    const tar = [
      { name: secretFile, content },
      { name: 'a', content: 'plain' },
    ]
    return await server.put(path, { token, tar })
  }
  const id = await put(1, 'dist')
  const later = await put(2, 'dist')
  const gone = await put(1, 'gone')
  const ofJob = await server.token({ project, run: 1, job: remover })
  await server.send(`${api}/artifacts/${gone}`, { method: 'DELETE', token: ofJob })
  const job = { key: 'build', id: 'build', name: 'build' }
  const events = [{ type: 'job-named', at: 1, job }, annotation({}), summary('# One')]
  const json = { recording: '0'.repeat(32), sequence: 0, events }
  const record = `${api}/projects/${project}/runs/1/record`
  expect((await server.send(record, { method: 'PUT', token, json })).status).toBe(200)
  const jobs = await server.send(`/repos/${project}/actions/runs/1/jobs`, { token })
  const [recorded] = ((await jobs.json()) as { jobs: { id: number }[] }).jobs
  return { project, id, later, job: recorded!.id }
}

async function ask(rule: (place: Place) => Ask, place: Place): Promise<Response> {
  const { path, json, ...request } = rule(place)
  const named = JSON.stringify(json ?? null).replace('PROJECT', place.project)
  return await server.send(path, {
    token: null,
    ...request,
    ...(json !== undefined && { json: JSON.parse(named) as unknown }),
  })
}

/** The response without what differs between two requests for the same. */
async function faceOf(response: Response, place: Place): Promise<unknown> {
  const same = (text: string): string =>
    text
      .replaceAll(place.project, 'PROJECT')
      .replaceAll(new RegExp(`\\b(?:${place.id}|${place.later}|${place.job})\\b`, 'g'), 'ID')
      .replaceAll(/\b[0-9a-f]{16}\b/g, 'REQUEST')
  const { status, headers } = response
  return [
    status,
    same(decodeURIComponent(headers.get('location') ?? '')),
    same(await response.text()),
  ]
}

/** No cache that people share may keep it, as some keep responses that do not say. */
function expectUnshared({ headers }: Response): void {
  expect(headers.get('cache-control')).toMatch(/^(?:private, no-cache|no-cache|no-store)$/)
}

function expectDenied(response: Response): void {
  expectUnshared(response)
  const isPage = response.status === 302
  if (isPage) expect(response.headers.get('location')).toMatch(/^\/sign-in\?next=/)
  else expect(response.status).toBe(401)
}

const readable = Object.entries(rules).flatMap(([route, rule]): [string, (place: Place) => Ask][] =>
  'reads' in rule ? [[route, rule.reads]] : [],
)
const guarded = Object.entries(rules).flatMap(([route, rule]): [string, (place: Place) => Ask][] =>
  'needs' in rule ? [[route, rule.needs]] : [],
)

test('the table has exactly the routes of the server', () => {
  expect(new Set(Object.keys(rules))).toEqual(mountedRoutes())
})

test('the API documentation names the routes that are open for public projects', async () => {
  const plain = (path: string): string => path.replaceAll(/:\w+(?:\{[^}/]+\}+)?|\*|\{\w+\}/g, '{}')
  const told = apiRoutes
    .filter(({ readsPublic }) => readsPublic === true)
    .map(({ method, path }) => `${method.toUpperCase()} ${plain(path)}`)
  const tested = readable
    .map(([route]) => plain(route))
    .filter((route) => route.includes(` ${api}/`))
  expect(new Set(told)).toEqual(new Set(tested))
  expect(await openApiDocument()).toMatchObject({
    paths: {
      [`${api}/artifacts`]: { get: { security: [{ bearer: [] }, {}] } },
    },
  })
})

describe('without a credential', () => {
  test.each(readable)('%s is open for a public project only', async (_route, rule) => {
    const answer = await ask(rule, open)
    expectUnshared(answer)
    const location = answer.headers.get('location') ?? ''
    const text = await answer.text()
    expect(answer.status, text).toBeLessThan(400)
    expect(location).not.toContain('sign-in')
    expect(text + location).not.toContain('closed')
    expect(text).not.toMatch(internal)
    for (const place of [closed, nowhere]) expectDenied(await ask(rule, place))
    expect(await faceOf(await ask(rule, closed), closed)).toEqual(
      await faceOf(await ask(rule, nowhere), nowhere),
    )
  })

  test.each(guarded)('%s needs a credential', async (_route, rule) => {
    for (const place of [open, closed, nowhere]) expectDenied(await ask(rule, place))
    expect(await faceOf(await ask(rule, closed), closed)).toEqual(
      await faceOf(await ask(rule, nowhere), nowhere),
    )
  })
})

/** What only those of a project see: who deleted something, and credentials that were found. */
const internal =
  /job-that-deletes|badge secrets|"secrets":\d|contains \d+ secret|with secrets|>Secrets</

test('those of the project see what everyone does not', async () => {
  const token = await server.token({ project: 'octo/open', scope: 'read' })
  for (const path of [
    `${api}/artifacts/${open.id}`,
    `${api}/artifacts?project=octo/open&state=any`,
    `${api}/digests/${digest}`,
  ])
    expect(await (await server.send(path, { token })).text()).toMatch(internal)
  for (const path of [
    `/octo/open/actions/runs/1/artifacts/${open.id}`,
    '/octo/open/artifacts',
    '/octo/open/search?path=**',
    '/octo/open/actions/runs/1',
  ])
    expect(await (await server.visit(path, { project: 'octo/open' })).text()).toMatch(internal)
})

test('what became of a deleted artifact is told without who deleted it', async () => {
  const list = await server.send(`${api}/artifacts?project=octo/open&state=deleted`, {
    token: null,
  })
  const { items } = (await list.json()) as { items: { id: number }[] }
  expect(items).toMatchObject([{ name: 'gone', removedReason: 'deleted', removedBy: null }])
  for (const path of [
    `${api}/artifacts/${items[0]?.id}`,
    `/octo/open/actions/runs/1/artifacts/${items[0]?.id}`,
    `/repos/octo/open/actions/artifacts/${items[0]?.id}/zip`,
    '/octo/open/latest/main/gone',
  ]) {
    const answer = await server.send(path, { token: null })
    expect(answer.status).toBe(410)
    expect(await answer.text()).not.toContain(remover)
  }
})

test('findings are listed for nobody else', async () => {
  for (const path of [
    `${api}/artifacts?project=octo/open&secrets`,
    '/octo/open/artifacts?state=secrets',
    '/octo/open/artifacts?state=secrets&format=csv',
  ])
    expectDenied(await server.send(path, { token: null }))
})

test('a bad credential is refused, also where none is needed', async () => {
  const expired = await server.token({ project: 'octo/open', expiresInSeconds: -1 })
  for (const token of [expired, 'nonsense'])
    for (const path of [`${api}/artifacts/${open.id}`, '/repos/octo/open/actions/runs'])
      expect((await server.send(path, { token })).status).toBe(401)
  const cookie = `trove_session=${expired}`
  const visit = await server.send('/octo/open', { token: null, headers: { cookie } })
  expectDenied(visit)
})

test('what a public project lacks is missing, not forbidden', async () => {
  for (const path of [
    '/octo/open/actions/runs/99',
    '/octo/Wide-screen',
    `/octo/open/actions/runs/1/artifacts/${open.id}/blob/none`,
    `${api}/runs/99?project=octo/open`,
    `${api}/compare?base=octo/open@1/none&head=id:${open.id}`,
    '/repos/octo/open/actions/runs/99',
    '/repos/octo/open/actions/artifacts/99999',
    '/repos/octo/open/actions/jobs/99999',
  ]) {
    const answer = await server.send(path, { token: null })
    expect([path, answer.status]).toEqual([path, 404])
    expect(await answer.text()).not.toContain('another token')
  }
})

test('HEAD reads, and a file and an archive arrive whole', async () => {
  const path = `${api}/artifacts/${open.id}/files/a`
  expect((await server.send(path, { token: null, method: 'HEAD' })).status).toBe(200)
  const answer = await server.send(path, { token: null })
  expect(answer.headers.get('cache-control')).toBe('private, no-cache')
  expect(await answer.text()).toBe('plain')
})

test('lists over several projects hold the public ones', async () => {
  const home = await (await server.send('/', { token: null })).text()
  expect(home).toContain('/octo/open"')
  expect(home).not.toContain('closed')
  expect(home).toContain('href="/sign-in?next=%2F"')
  expect(home).not.toMatch(/Sign out|Account|method="post"/)
  const found = await server.send(`${api}/digests/${digest}`, { token: null })
  const { items } = (await found.json()) as { items: { project: string }[] }
  expect(new Set(items.map(({ project }) => project))).toEqual(new Set(['octo/open']))
  const page = await (await server.send(`/find?digest=${digest}`, { token: null })).text()
  expect(page).toContain('octo/open')
  expect(page).not.toContain('closed')
  const listed = await (await server.send(`${api}/artifacts`, { token: null })).text()
  const matches = await (await server.send(`${api}/search?path=**`, { token: null })).text()
  for (const text of [listed, matches]) {
    expect(text).toContain('octo/open')
    expect(text).not.toMatch(/closed|job-that-deletes/)
  }
  expect(
    await (await server.send(`${api}/artifacts?secrets`, { token: null })).json(),
  ).toMatchObject({ items: [] })
  expect(await problemOf(await server.send(`${api}/runs/1`, { token: null }))).toMatchObject({
    status: 400,
    body: { field: 'project' },
  })
})

test('a page for everyone has no form that changes something', async () => {
  for (const [route, rule] of readable) {
    if (!route.startsWith('GET /:owner')) continue
    const text = await (await ask(rule, open)).text()
    expect(text, route).not.toMatch(/method="post"|\/settings"|Delete…/)
  }
})

test('crawlers are kept away', async () => {
  const answer = await server.send('/robots.txt', { token: null })
  expect(await answer.text()).toBe('User-agent: *\nDisallow: /\n')
})

test('metrics need a token where they did before', async () => {
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  expect((await server.send('/metrics', { token: null, headers })).status).toBe(401)
})
