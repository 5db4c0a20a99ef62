/** Expired means gone on the very next read, on every route (invariant 9). The table below has
 *  every route of the server, and the first test compares it with the mounted routes, so a new
 *  route must declare what it does with an expired artifact. Each request is made twice: in the
 *  last millisecond, when it must work, and one millisecond later. */
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeWants } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { tarOf } from './archives-of.ts'
import { documentPath } from './document-path.ts'
import { openSharedServer, type SendRequest } from './open-server.ts'
import { mountedRoutes } from './public-routes.ts'

const hour = 60 * 60 * 1000
const project = 'octo/app'
/** A word that is nowhere else on any page. */
const name = 'perishable'
const fileText = 'the only file with this text'
const fileDigest = `sha256:${digestOf(fileText)}`

interface Fixture {
  id: number
  /** An artifact that does not expire. */
  other: number
  expiresAt: number
  /** A URL returned while the artifact was live. */
  signedUrl: string
  contentUrl: string
  treeDigest: string
}

interface Ask extends SendRequest {
  path: string
}

type Asking = (fixture: Fixture) => Ask

type Rule =
  /** 410 with the instant and reason, as problem+json. */
  | { problem: Asking }
  /** 410 with the instant and reason, as a page. */
  | { page: Asking }
  /** 410 in the format of GitHub's REST API. */
  | { rest: Asking }
  /** A success that contains `text` (default: the name) while the artifact is live, and no
   *  longer afterwards. */
  | { list: Asking; text?: string }
  /** A page that still names the artifact, as expired. */
  | { shown: Asking }
  /** A success before, and afterwards this status, without mentioning the artifact. */
  | { after: Asking; status: number }
  /** The reason why the route discloses nothing about an artifact. */
  | { none: string }

const api = '/api/v1'
const one = '/api/v1/artifacts/:id{[0-9]+}'
const pages = '/:owner/:repo/actions/runs/:run{[0-9]+}/artifacts/:id{[0-9]+}'
const twirp = '/twirp/github.actions.results.api.v1.ArtifactService'
const uploads = '/api/v1/uploads/:id{[0-9a-f]{32}}'
const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: 'build' }

const artifact =
  (rest: string, request: SendRequest = {}): Asking =>
  ({ id }) => ({ path: `${api}/artifacts/${id}${rest}`, ...request })
const page =
  (rest: string, form?: string): Asking =>
  ({ id }) => ({
    path: `/${project}/actions/runs/1/artifacts/${id}${rest}`,
    ...(form !== undefined && {
      method: 'POST',
      body: form,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
  })
const at =
  (path: string): Asking =>
  () => ({ path })
const call =
  (method: string, message: object): Asking =>
  () => ({ path: `${twirp}/${method}`, method: 'POST', json: { ...ids, ...message } })
const wants =
  (path: string): Asking =>
  ({ id }) => ({
    path: `${api}/blobs/${path}?artifact=${id}`,
    method: 'POST',
    headers: { 'content-type': 'application/x-trove-wants' },
    body: encodeWants([{ ordinal: 0, parts: null }]),
  })
const repository = (base: string): Record<string, Rule> => {
  const path = `${base}/repos/${project}/actions`
  return {
    [`GET ${base}/repos/:owner/:repo/actions/runs/:run/artifacts`]: {
      list: at(`${path}/runs/1/artifacts`),
      text: '"expired":false',
    },
    [`GET ${base}/repos/:owner/:repo/actions/artifacts`]: {
      list: at(`${path}/artifacts?name=${name}`),
    },
    [`GET ${base}/repos/:owner/:repo/actions/artifacts/:id`]: {
      list: ({ id }) => ({ path: `${path}/artifacts/${id}` }),
      text: '"expired":false',
    },
    [`GET ${base}/repos/:owner/:repo/actions/artifacts/:id/zip`]: {
      rest: ({ id }) => ({ path: `${path}/artifacts/${id}/zip` }),
    },
    [`DELETE ${base}/repos/:owner/:repo/actions/artifacts/:id`]: {
      none: 'deleting an ended artifact returns 404; tested below',
    },
    ...Object.fromEntries(
      [
        'runs',
        'runs/:run',
        'runs/:run/attempts/:attempt',
        'workflows',
        'workflows/:workflow',
        'workflows/:workflow/runs',
        'runs/:run/jobs',
        'runs/:run/attempts/:attempt/jobs',
        'runs/:run/logs',
        'runs/:run/attempts/:attempt/logs',
        'jobs/:job',
        'jobs/:job/logs',
      ].map((route) => [
        `GET ${base}/repos/:owner/:repo/actions/${route}`,
        { none: 'runs and their records' },
      ]),
    ),
    [`GET ${base}/repos/:owner/:repo/check-runs/:job/annotations`]: { none: 'of a recorded job' },
    [`GET ${base}/repos/:owner/:repo/branches/:branch`]: { none: 'the commit of its newest run' },
    [`GET ${base}/repos/:owner/:repo/pulls/:pull`]: { none: 'the head of its newest run' },
  }
}

const rules: Record<string, Rule> = {
  // The native API.
  [`GET ${api}/artifacts`]: { list: at(`${api}/artifacts`) },
  [`GET ${one}`]: { problem: artifact('') },
  [`PATCH ${one}`]: {
    problem: artifact('', { method: 'PATCH', json: { pinned: false } }),
  },
  [`DELETE ${one}`]: { problem: artifact('?dryRun', { method: 'DELETE' }) },
  [`POST ${one}/undelete`]: { none: 'a live artifact cannot be restored either; tested below' },
  [`POST ${api}/artifacts/bulk-delete`]: {
    list: () => ({
      path: `${api}/artifacts/bulk-delete`,
      method: 'POST',
      json: { filter: { run: 1 }, dryRun: true },
    }),
  },
  [`DELETE ${api}/runs/:run{[0-9]+}`]: {
    list: () => ({ path: `${api}/runs/1?dryRun`, method: 'DELETE' }),
  },
  [`GET ${one}/manifest`]: { problem: artifact('/manifest') },
  [`GET ${one}/directory`]: { problem: artifact('/directory') },
  [`GET ${one}/sizes`]: { problem: artifact('/sizes') },
  [`GET ${one}/history`]: { problem: artifact('/history?path=index.html') },
  [`GET ${one}/tree`]: { problem: artifact('/tree') },
  [`GET ${one}/files/*`]: { problem: artifact('/files/index.html') },
  [`GET ${one}/signed-url`]: { problem: artifact('/signed-url?path=index.html') },
  [`GET ${one}/attestation`]: { problem: artifact('/attestation') },
  [`GET ${api}/attestation-keys`]: { none: 'keys' },
  [`GET ${one}/secrets`]: { problem: artifact('/secrets') },
  [`PATCH ${one}/secrets`]: {
    none: 'a live artifact without secrets has none to dismiss; tested below',
  },
  [`GET ${one}/archive.zip`]: { problem: artifact('/archive.zip') },
  [`GET ${one}/archive.tar.gz`]: { problem: artifact('/archive.tar.gz') },
  [`GET ${api}/runs/:run{[0-9]+}/archive.zip`]: { problem: at(`${api}/runs/1/archive.zip`) },
  'GET /api/artifacts/:id{[0-9]+}/download': {
    problem: ({ id }) => ({ path: `/api/artifacts/${id}/download` }),
  },
  [`POST ${api}/blobs/parts`]: { problem: wants('parts') },
  [`POST ${api}/blobs/fetch`]: { problem: wants('fetch') },
  [`GET ${api}/compare`]: {
    problem: ({ id, other }) => ({ path: `${api}/compare?base=id:${other}&head=id:${id}` }),
  },
  [`GET ${api}/digests/:digest`]: { list: at(`${api}/digests/${fileDigest}`) },
  [`GET ${api}/search`]: { list: at(`${api}/search?path=**/index.html`) },
  [`GET ${api}/projects`]: { none: 'sizes, like statistics' },
  [`GET ${api}/stats`]: { none: 'statistics; expired artifacts leave them with the next round' },
  [`GET ${api}/runs/:run{[0-9]+}`]: { none: 'jobs and steps; it lists no artifacts' },
  [`GET ${api}/runs/:run{[0-9]+}/jobs/:job/log`]: { none: 'a log' },
  [`GET ${api}/runs/:run{[0-9]+}/jobs/:job/summary`]: { none: 'Markdown of a job' },
  [`DELETE ${api}/runs/:run{[0-9]+}/jobs/:job`]: { none: 'steps and a log' },
  // "You need not send this" must not be said for an expired tree.
  [`POST ${api}/uploads/check`]: { none: 'only whether an upload would be refused' },
  [`POST ${api}/uploads`]: {
    list: ({ treeDigest }) => ({
      path: `${api}/uploads`,
      method: 'POST',
      json: {
        project,
        run: 3,
        name: 'again',
        treeDigest,
        timesDigest: `sha256:${'0'.repeat(64)}`,
        entryCount: 2,
        fileCount: 2,
        logicalBytes: 1,
      },
    }),
    text: '"needs":"times"',
  },
  [`POST ${uploads}/manifest`]: { none: 'bytes in' },
  [`GET ${uploads}/missing`]: { none: 'about a session, which holds its own leases' },
  [`POST ${uploads}/times`]: { none: 'bytes in' },
  [`POST ${uploads}/parts`]: { none: 'bytes in' },
  [`POST ${uploads}/packs`]: { none: 'bytes in' },
  [`POST ${uploads}/commit`]: { none: 'makes a new artifact' },
  [`DELETE ${uploads}`]: { none: 'ends a session' },
  'OPTIONS /': { none: 'the methods' },
  'OPTIONS /dav/*': { none: 'the methods' },
  'PROPFIND /dav/*': {
    list: () => ({
      path: `/dav/${project}/runs/1/`,
      method: 'PROPFIND',
      headers: { depth: '1' },
    }),
  },
  'GET /dav/*': { after: at(`/dav/${project}/runs/1/${name}/index.html`), status: 410 },
  [`PUT ${api}/projects/:owner/:repo/runs/:run/artifacts/:name`]: { none: 'tested below' },
  [`PUT ${api}/projects/:owner/:repo/runs/:run{[0-9]+}/record`]: { none: 'events in' },
  [`GET ${api}/projects/:owner/:repo`]: { none: 'settings' },
  [`PATCH ${api}/projects/:owner/:repo`]: { none: 'settings' },
  [`POST ${api}/projects/:owner/:repo/dismissed-secrets`]: { none: 'dismissals' },
  [`GET ${api}/audit`]: { none: 'audit log entries; expiry has no actor' },
  [`GET ${api}/tokens`]: { none: 'tokens' },
  [`GET ${api}/tokens/current`]: { none: 'tokens' },
  [`POST ${api}/tokens`]: { none: 'tokens' },
  [`POST ${api}/tokens/exchange`]: { none: 'tokens' },
  [`POST ${api}/tokens/revoke`]: { none: 'tokens' },
  [`POST ${api}/projects/:owner/:repo/tokens/revoke`]: { none: 'tokens' },
  [`POST ${api}/admin/gc`]: { none: 'maintenance' },
  [`POST ${api}/admin/scrub`]: { none: 'maintenance' },
  [`POST ${api}/admin/backup`]: { none: 'maintenance' },
  [`POST ${api}/admin/snapshot`]: { none: 'maintenance' },
  [`GET ${api}/admin/jobs`]: { none: 'maintenance' },
  [`GET ${api}/admin/jobs/:id`]: { none: 'maintenance' },
  [`DELETE ${api}/admin/jobs/:id`]: { none: 'maintenance' },
  'GET /openapi.json': { none: 'the contract' },
  [`POST ${twirp}/ListArtifacts`]: { list: call('ListArtifacts', {}) },
  [`POST ${twirp}/GetSignedArtifactURL`]: {
    after: call('GetSignedArtifactURL', { name }),
    status: 404,
  },
  [`POST ${twirp}/DeleteArtifact`]: {
    none: 'deleting an ended artifact returns 404; tested below',
  },
  [`POST ${twirp}/CreateArtifact`]: { none: 'bytes in' },
  [`POST ${twirp}/FinalizeArtifact`]: { none: 'bytes in' },
  'PUT /blob/artifacts/:id': { none: 'bytes in' },
  'GET /artifacts/download/:id/:file': { problem: ({ signedUrl }) => ({ path: signedUrl }) },
  'HEAD /artifacts/download/:id/:file': {
    after: ({ signedUrl }) => ({ path: signedUrl, method: 'HEAD', token: null }),
    status: 410,
  },
  ...repository(''),
  ...repository('/api/v3'),
  // Pages.
  [`GET ${pages}`]: { page: page('') },
  [`GET ${pages}/tree/*`]: { page: page('/tree/sub') },
  [`GET ${pages}/blob/*`]: { page: page('/blob/index.html') },
  [`GET ${pages}/paths`]: { page: page('/paths') },
  [`GET ${pages}/go`]: { page: page('/go?path=index.html') },
  [`GET ${pages}/changes`]: { page: page('/changes') },
  [`GET ${pages}/history/*`]: { page: page('/history/index.html') },
  [`GET ${pages}/sizes/*`]: { page: page('/sizes') },
  [`GET ${pages}/used`]: { page: page('/used') },
  [`GET ${pages}/details`]: { page: page('/details') },
  [`GET ${pages}/delete`]: { page: page('/delete') },
  [`POST ${pages}/keep`]: { page: page('/keep', 'pinned=0') },
  [`POST ${pages}/secrets`]: {
    none: 'a live artifact without secrets has none to dismiss; tested below',
  },
  [`POST ${pages}/expire`]: { none: 'would change the tested artifact; tested below' },
  [`POST ${pages}/delete`]: { none: 'would change the tested artifact; tested below' },
  [`POST ${pages}/undo`]: { none: 'a live artifact cannot be restored either; tested below' },
  'GET /content/:credential/*': { page: ({ contentUrl }) => ({ path: contentUrl }) },
  'GET /:owner/:repo/actions/runs/:run{[0-9]+}': { shown: at(`/${project}/actions/runs/1`) },
  'GET /:owner/:repo/actions/runs/:run{[0-9]+}/attempts/:attempt{[0-9]+}': {
    shown: at(`/${project}/actions/runs/1/attempts/1`),
  },
  'GET /:owner/:repo/actions/runs/:run{[0-9]+}/attempts/:attempt{[0-9]+}/jobs/:job': {
    none: 'annotations and the summary of a job',
  },
  'GET /:owner/:repo/artifacts': { list: at(`/${project}/artifacts`) },
  'POST /:owner/:repo/artifacts': { none: 'changes many; below' },
  'GET /:owner/:repo/compare': { none: 'redirects to the page of the pair' },
  'GET /:owner/:repo/compare/:pair': {
    page: ({ id, other }) => ({ path: `/${project}/compare/${other}...${id}` }),
  },
  'GET /:owner/:repo/latest/:branch/:name': { page: at(`/${project}/latest/main/${name}`) },
  'GET /:owner/:repo/latest/:branch/:name/*': {
    page: at(`/${project}/latest/main/${name}/index.html`),
  },
  'GET /:owner/:repo/search': { list: at(`/${project}/search?path=index.html`) },
  'GET /find': { list: at(`/find?digest=${fileDigest}`) },
  'GET /': { none: 'projects and statistics' },
  'GET /:owner/:repo': { none: 'runs and statistics' },
  'GET /:owner/:repo/upload': { none: 'a form' },
  'GET /:owner/:repo/storage': { none: 'figures' },
  'GET /:owner/:repo/settings': { none: 'settings' },
  'POST /:owner/:repo/settings': { none: 'settings' },
  'GET /:owner/:repo/trends': { none: 'sizes, including those of expired artifacts' },
  'GET /:owner/:repo/settings/retention': {
    none: 'settings, and artifacts that are still to expire',
  },
  'POST /:owner/:repo/settings/retention': { none: 'settings' },
  'GET /admin/storage': { none: 'figures' },
  'GET /admin/maintenance': { none: 'maintenance' },
  'GET /account': { none: 'tokens' },
  'POST /account': { none: 'tokens' },
  'GET /admin/tokens': { none: 'tokens' },
  'POST /admin/tokens': { none: 'tokens' },
  'GET /:owner/:repo/settings/tokens': { none: 'tokens' },
  'POST /:owner/:repo/settings/tokens': { none: 'tokens' },
  'GET /admin/audit': { none: 'audit log entries; expiry has no actor' },
  'GET /:owner/:repo/settings/audit': { none: 'audit log entries; expiry has no actor' },
  'POST /admin/maintenance': { none: 'maintenance' },
  'GET /sign-in': { none: 'a form' },
  'GET /sign-in/sso': { none: 'tokens' },
  'GET /sign-in/callback': { none: 'tokens' },
  'POST /sign-in': { none: 'tokens' },
  'POST /sign-out': { none: 'tokens' },
  'GET /assets/:file': { none: 'our own files' },
  'GET /robots.txt': { none: 'our own files' },
  'GET /trove.tgz': { none: 'our own files' },
  'GET /healthz': { none: 'operation' },
  'GET /readyz': { none: 'operation' },
  'GET /metrics': { none: 'figures' },
}

const server = await openSharedServer({ TROVE_GC_INTERVAL: 'off' })
let fixture: Fixture
beforeAll(async () => {
  fixture = await fill()
})

async function fill(): Promise<Fixture> {
  const put = async (run: number, as: string, text: string): Promise<number> => {
    const tar = [
      { name: 'index.html', content: text },
      { name: 'sub/x', content: 'x' },
    ]
    const query = '?branch=main&job=build'
    const path = `${api}/projects/${project}/runs/${run}/artifacts/${as}${query}`
    return await server.put(path, { tar })
  }
  const other = await put(2, 'other', 'another')
  const id = await put(1, name, fileText)
  const expiresAt = server.clock.now + hour
  const json = { expiresAt: new Date(expiresAt).toISOString() }
  const changed = await server.send(`${api}/artifacts/${id}`, { method: 'PATCH', json })
  const { treeDigest } = (await changed.json()) as { treeDigest: string }
  const link = await send(call('GetSignedArtifactURL', { name }))
  const { signed_url: signedUrl } = (await link.json()) as { signed_url: string }
  const { pathname, search } = new URL(signedUrl)
  const contentUrl = await documentPath(server.dataDir, {
    artifactId: id,
    path: 'index.html',
    now: server.clock.now,
  })
  return { id, other, expiresAt, signedUrl: pathname + search, contentUrl, treeDigest }
}

/** Sends stock clients' requests as a job of the run, others as a writer. */
async function send(asking: Asking): Promise<Response> {
  const { path, ...request } = asking(fixture)
  const isJob = path.startsWith('/twirp/')
  const token = isJob
    ? await server.token({ project, run: 1, job: 'build', scope: 'job', expiresInSeconds: 86_400 })
    : await server.token({ project, expiresInSeconds: 86_400 })
  return await server.send(path, { token, ...request })
}

const cases = Object.entries(rules).filter(([, rule]) => !('none' in rule))

test('the table has exactly the routes of the server', () => {
  expect(new Set(Object.keys(rules))).toEqual(mountedRoutes())
})

describe('in the last millisecond', () => {
  beforeAll(() => {
    server.clock.now = fixture.expiresAt - 1
  })

  test.each(cases)('%s works', async (_route, rule) => {
    const answer = await send(askingOf(rule))
    expect(answer.status, await answer.clone().text()).toBeLessThan(400)
    const text = await answer.text()
    if ('list' in rule) expect(text).toContain(rule.text ?? name)
    if ('shown' in rule) expect(text).not.toContain('badge expired')
  })
})

describe('one millisecond later', () => {
  beforeAll(() => {
    server.clock.now = fixture.expiresAt
  })

  test.each(cases)('%s no longer works', async (_route, rule) => {
    const answer = await send(askingOf(rule))
    const text = await answer.text()
    // No response contains anything of the artifact.
    expect(text).not.toContain(fileText)
    const when = new Date(fixture.expiresAt).toISOString()
    if ('problem' in rule) {
      expect([answer.status, JSON.parse(text)]).toMatchObject([
        410,
        { code: 'artifact_expired', expiredAt: when, reason: expect.stringMatching(/\w/) },
      ])
    } else if ('page' in rule) {
      expect(answer.status).toBe(410)
      expect(text).toContain('This artifact has expired')
      expect(text).toContain(`${when.slice(0, 19).replace('T', ' ')} UTC`)
    } else if ('rest' in rule) {
      expect([answer.status, JSON.parse(text)]).toMatchObject([
        410,
        { message: 'Artifact has expired' },
      ])
    } else if ('list' in rule) {
      expect(answer.ok).toBe(true)
      expect(text).not.toContain(rule.text ?? name)
    } else if ('shown' in rule) {
      expect(answer.status).toBe(200)
      expect(text).toContain('badge expired')
    } else if ('after' in rule) {
      expect(answer.status).toBe(rule.status)
    }
  })

  test.each([
    [`POST ${one}/undelete`, artifact('/undelete', { method: 'POST' })],
    [`DELETE ${one}`, artifact('', { method: 'DELETE' })],
    [`PATCH ${one}`, artifact('', { method: 'PATCH', json: { pinned: true } })],
    [
      `PATCH ${one}/secrets`,
      artifact('/secrets', { method: 'PATCH', json: { digest: fileDigest, dismissed: true } }),
    ],
    [`POST ${pages}/secrets`, page('/secrets', `digest=${fileDigest}&dismissed=1`)],
    [`POST ${pages}/undo`, page('/undo', '')],
    [`POST ${pages}/delete`, page('/delete', 'word=delete')],
    [`POST ${pages}/expire`, page('/expire', 'days=7')],
    [`POST ${pages}/keep`, page('/keep', 'pinned=1')],
    [`POST ${twirp}/DeleteArtifact`, call('DeleteArtifact', { name })],
    [
      'DELETE /repos/:owner/:repo/actions/artifacts/:id',
      ({ id }: Fixture) => ({
        path: `/repos/${project}/actions/artifacts/${id}`,
        method: 'DELETE',
      }),
    ],
    [
      'POST /:owner/:repo/artifacts',
      ({ id }: Fixture) => ({
        path: `/${project}/artifacts`,
        method: 'POST',
        body: `action=keep&id=${id}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ],
  ])('%s does not restore it', async (_route, asking) => {
    const answer = await send(asking)
    await answer.text()
    const detail = await send(artifact(''))
    expect([detail.status, await detail.json()]).toMatchObject([410, { code: 'artifact_expired' }])
  })

  test('its name is free, and uploading the same content again makes a new artifact', async () => {
    const body = await tarOf([
      { name: 'index.html', content: fileText },
      { name: 'sub/x', content: 'x' },
    ])
    await server.noteTime(fixture.expiresAt)
    const answer = await send(() => ({
      path: `${api}/projects/${project}/runs/1/artifacts/${name}?job=build`,
      method: 'PUT',
      headers: { 'content-type': 'application/x-tar' },
      body,
    }))
    const made = (await answer.json()) as { id: number }
    expect([answer.status, made]).toMatchObject([201, { treeDigest: fixture.treeDigest }])
    expect(made.id).toBeGreaterThan(fixture.id)
    expect((await send(artifact(''))).status).toBe(410)
  })
})

function askingOf(rule: Rule): Asking {
  const asking = Object.entries(rule).find(
    (entry): entry is [string, Asking] => typeof entry[1] === 'function',
  )
  if (asking === undefined) throw new Error('a rule without a request')
  return asking[1]
}
