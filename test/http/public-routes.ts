/** Every route of the server, and whether it is open to everyone for a public project. */
import { encodeWants } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { createApp } from '../../src/http/app.ts'
import type { AppContext } from '../../src/http/context.ts'
import { createRenderer } from '../../src/web/renderer.ts'
import type { SendRequest } from './open-server.ts'

/** A project as it is asked for, and what is in it. */
export interface Place {
  project: string
  /** An artifact with a credential in it, and a later one of the same name and branch. */
  id: number
  later: number
  /** The number of a recorded job. */
  job: number
}

export interface Ask extends SendRequest {
  path: string
}

export type Rule =
  /** Open for a public project. */
  | { reads: (place: Place) => Ask }
  /** Needs a credential, also for a public project. */
  | { needs: (place: Place) => Ask }
  /** The reason why the route takes no credential, or one of its own. */
  | { none: string }

/** All routes that a server has. */
export function mountedRoutes(): Set<string> {
  // The context is not used before the first request.
  const { routes } = createApp({ config: {} } as AppContext, createRenderer())
  const mounted = routes.filter(({ method }) => method !== 'ALL')
  return new Set(mounted.map(({ method, path }) => `${method} ${path}`))
}

export const digest = `sha256:${digestOf('plain')}`
export const api = '/api/v1'
const one = `${api}/artifacts/:id{[0-9]+}`
const run = `${api}/runs/:run{[0-9]+}`
const uploads = `${api}/uploads/:id{[0-9a-f]{32}}`
const page = '/:owner/:repo/actions/runs/:run{[0-9]+}'
const pages = `${page}/artifacts/:id{[0-9]+}`
const twirp = '/twirp/github.actions.results.api.v1.ArtifactService'

type At = string | ((place: Place) => string)
const asked = (path: At, request: SendRequest): ((place: Place) => Ask) => {
  return (place) => {
    const text = typeof path === 'string' ? path : path(place)
    return { path: text.replace('PROJECT', place.project), ...request }
  }
}
const reads = (path: At, request: SendRequest = {}): Rule => ({ reads: asked(path, request) })
const needs = (path: At, request: SendRequest = {}): Rule => ({ needs: asked(path, request) })
const form: SendRequest = {
  method: 'POST',
  body: 'x=1',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
}
const posted = (json: unknown): SendRequest => ({ method: 'POST', json })
const artifact = (rest: string) => (place: Place) => `${api}/artifacts/${place.id}${rest}`
const shown = (rest: string) => (place: Place) =>
  `/${place.project}/actions/runs/1/artifacts/${place.id}${rest}`
const wants = {
  method: 'POST',
  headers: { 'content-type': 'application/x-trove-wants' },
  body: encodeWants([{ ordinal: 0, parts: null }]),
}

const repository = (base: string): Record<string, Rule> => {
  const at = `${base}/repos/:owner/:repo`
  const to = `${base}/repos/PROJECT`
  const found = (rest: (place: Place) => string) => reads((place) => `${to}/actions/${rest(place)}`)
  return {
    [`GET ${at}/actions/runs/:run/artifacts`]: reads(`${to}/actions/runs/1/artifacts`),
    [`GET ${at}/actions/artifacts`]: reads(`${to}/actions/artifacts`),
    [`GET ${at}/actions/artifacts/:id`]: found(({ id }) => `artifacts/${id}`),
    [`GET ${at}/actions/artifacts/:id/zip`]: found(({ id }) => `artifacts/${id}/zip`),
    [`DELETE ${at}/actions/artifacts/:id`]: needs(({ id }) => `${to}/actions/artifacts/${id}`, {
      method: 'DELETE',
    }),
    ...Object.fromEntries(
      ['runs', 'workflows', 'workflows/:workflow', 'workflows/:workflow/runs'].map((route) => [
        `GET ${at}/actions/${route}`,
        reads(`${to}/actions/${route.replace(':workflow', 'CI')}`),
      ]),
    ),
    ...Object.fromEntries(
      ['', '/jobs', '/logs'].flatMap((rest) =>
        ['runs/:run', 'runs/:run/attempts/:attempt'].map((route) => [
          `GET ${at}/actions/${route}${rest}`,
          reads(`${to}/actions/${route.replace(':run', '1').replace(':attempt', '1')}${rest}`),
        ]),
      ),
    ),
    [`GET ${at}/actions/jobs/:job`]: found(({ job }) => `jobs/${job}`),
    [`GET ${at}/actions/jobs/:job/logs`]: found(({ job }) => `jobs/${job}/logs`),
    [`GET ${at}/check-runs/:job/annotations`]: reads(
      ({ job }) => `${to}/check-runs/${job}/annotations`,
    ),
    [`GET ${at}/branches/:branch`]: reads(`${to}/branches/main`),
    [`GET ${at}/pulls/:pull`]: reads(`${to}/pulls/7`),
  }
}

const offer = {
  project: 'PROJECT',
  run: 3,
  name: 'again',
  treeDigest: digest,
  timesDigest: digest,
  entryCount: 1,
  fileCount: 1,
  logicalBytes: 1,
}

export const rules: Record<string, Rule> = {
  [`GET ${api}/artifacts`]: reads(`${api}/artifacts?project=PROJECT&state=any`),
  [`GET ${one}`]: reads(artifact('')),
  [`PATCH ${one}`]: needs(artifact(''), { method: 'PATCH', json: { pinned: true } }),
  [`DELETE ${one}`]: needs(artifact('?dryRun'), { method: 'DELETE' }),
  [`POST ${one}/undelete`]: needs(artifact('/undelete'), { method: 'POST' }),
  [`POST ${api}/artifacts/bulk-delete`]: needs(
    `${api}/artifacts/bulk-delete`,
    posted({ filter: { project: 'octo/open' }, dryRun: true }),
  ),
  [`DELETE ${run}`]: needs(`${api}/runs/1?project=PROJECT&dryRun`, { method: 'DELETE' }),
  [`GET ${one}/manifest`]: reads(artifact('/manifest')),
  [`GET ${one}/directory`]: reads(artifact('/directory')),
  [`GET ${one}/sizes`]: reads(artifact('/sizes')),
  [`GET ${one}/history`]: reads(artifact('/history?path=a')),
  [`GET ${one}/tree`]: reads(artifact('/tree')),
  [`GET ${one}/files/*`]: reads(artifact('/files/a')),
  [`GET ${one}/signed-url`]: reads(artifact('/signed-url?path=a')),
  [`GET ${one}/attestation`]: reads(artifact('/attestation')),
  [`GET ${api}/attestation-keys`]: { none: 'public keys' },
  [`GET ${one}/secrets`]: needs(artifact('/secrets')),
  [`PATCH ${one}/secrets`]: needs(artifact('/secrets'), {
    method: 'PATCH',
    json: { digest, dismissed: true },
  }),
  [`GET ${one}/archive.zip`]: reads(artifact('/archive.zip')),
  [`GET ${one}/archive.tar.gz`]: reads(artifact('/archive.tar.gz?path=a')),
  [`GET ${run}/archive.zip`]: reads(`${api}/runs/1/archive.zip?project=PROJECT`),
  'GET /api/artifacts/:id{[0-9]+}/download': reads(({ id }) => `/api/artifacts/${id}/download`),
  [`POST ${api}/blobs/parts`]: reads(({ id }) => `${api}/blobs/parts?artifact=${id}`, wants),
  [`POST ${api}/blobs/fetch`]: reads(({ id }) => `${api}/blobs/fetch?artifact=${id}`, wants),
  [`GET ${api}/compare`]: reads(({ id, later }) => `${api}/compare?base=id:${id}&head=id:${later}`),
  [`GET ${api}/digests/:digest`]: reads(`${api}/digests/${digest}?project=PROJECT`),
  [`GET ${api}/search`]: reads(`${api}/search?project=PROJECT&path=**`),
  [`GET ${api}/projects`]: needs(`${api}/projects?name=PROJECT`),
  [`GET ${api}/stats`]: needs(`${api}/stats?project=PROJECT`),
  [`GET ${run}`]: reads(`${api}/runs/1?project=PROJECT`),
  [`GET ${run}/jobs/:job/log`]: reads(`${api}/runs/1/jobs/build/log?project=PROJECT`),
  [`GET ${run}/jobs/:job/summary`]: reads(`${api}/runs/1/jobs/build/summary?project=PROJECT`),
  [`DELETE ${run}/jobs/:job`]: needs(`${api}/runs/1/jobs/build?project=PROJECT`, {
    method: 'DELETE',
  }),
  [`POST ${api}/uploads/check`]: needs(
    `${api}/uploads/check`,
    posted({ project: 'octo/app', run: 1, name: 'x' }),
  ),
  [`POST ${api}/uploads`]: needs(`${api}/uploads`, posted(offer)),
  ...Object.fromEntries(
    ['manifest', 'times', 'parts', 'packs', 'commit'].map((step) => [
      `POST ${uploads}/${step}`,
      needs(`${api}/uploads/${'0'.repeat(32)}/${step}`, { method: 'POST', body: 'x' }),
    ]),
  ),
  [`GET ${uploads}/missing`]: needs(`${api}/uploads/${'0'.repeat(32)}/missing`),
  [`DELETE ${uploads}`]: needs(`${api}/uploads/${'0'.repeat(32)}`, { method: 'DELETE' }),
  'OPTIONS /': { none: 'says that there is WebDAV' },
  'OPTIONS /dav/*': { none: 'says that there is WebDAV' },
  'PROPFIND /dav/*': reads('/dav/PROJECT/runs/1/dist/', {
    method: 'PROPFIND',
    headers: { depth: '1' },
  }),
  'GET /dav/*': reads('/dav/PROJECT/runs/1/dist/a'),
  [`PUT ${api}/projects/:owner/:repo/runs/:run/artifacts/:name`]: needs(
    `${api}/projects/PROJECT/runs/9/artifacts/new`,
    { method: 'PUT', body: 'x' },
  ),
  [`PUT ${api}/projects/:owner/:repo/runs/:run{[0-9]+}/record`]: needs(
    `${api}/projects/PROJECT/runs/9/record`,
    { method: 'PUT', json: {} },
  ),
  [`GET ${api}/projects/:owner/:repo`]: needs(`${api}/projects/PROJECT`),
  [`PATCH ${api}/projects/:owner/:repo`]: needs(`${api}/projects/PROJECT`, {
    method: 'PATCH',
    json: { strict: true },
  }),
  [`POST ${api}/projects/:owner/:repo/dismissed-secrets`]: needs(
    `${api}/projects/PROJECT/dismissed-secrets`,
    posted({ digests: [digest] }),
  ),
  [`GET ${api}/audit`]: needs(`${api}/audit?project=PROJECT`),
  [`GET ${api}/tokens`]: needs(`${api}/tokens?project=PROJECT`),
  [`GET ${api}/tokens/current`]: needs(`${api}/tokens/current`),
  [`POST ${api}/tokens`]: needs(`${api}/tokens`, posted({ project: 'octo/open' })),
  [`POST ${api}/tokens/exchange`]: { none: 'takes an ID token' },
  [`POST ${api}/tokens/revoke`]: needs(`${api}/tokens/revoke`, posted({ id: '0'.repeat(32) })),
  [`POST ${api}/projects/:owner/:repo/tokens/revoke`]: needs(
    `${api}/projects/PROJECT/tokens/revoke`,
    { method: 'POST' },
  ),
  ...Object.fromEntries(
    ['gc', 'scrub', 'backup', 'snapshot'].map((kind) => [
      `POST ${api}/admin/${kind}`,
      needs(`${api}/admin/${kind}`, posted({})),
    ]),
  ),
  [`GET ${api}/admin/jobs`]: needs(`${api}/admin/jobs`),
  [`GET ${api}/admin/jobs/:id`]: needs(`${api}/admin/jobs/1`),
  [`DELETE ${api}/admin/jobs/:id`]: needs(`${api}/admin/jobs/1`, { method: 'DELETE' }),
  ...Object.fromEntries(
    [
      'ListArtifacts',
      'GetSignedArtifactURL',
      'DeleteArtifact',
      'CreateArtifact',
      'FinalizeArtifact',
    ].map((method) => [`POST ${twirp}/${method}`, needs(`${twirp}/${method}`, posted({}))]),
  ),
  'PUT /blob/artifacts/:id': { none: 'takes a signed URL' },
  'GET /artifacts/download/:id/:file': { none: 'takes a signed URL' },
  'HEAD /artifacts/download/:id/:file': { none: 'takes a signed URL' },
  'GET /content/:credential/*': { none: 'takes a signed URL' },
  ...repository(''),
  ...repository('/api/v3'),
  ...Object.fromEntries(
    [
      '',
      '/tree/*',
      '/blob/*',
      '/paths',
      '/go',
      '/changes',
      '/sizes/*',
      '/history/*',
      '/used',
      '/details',
    ].map((rest) => [
      `GET ${pages}${rest}`,
      reads(shown(rest.replace('/*', rest === '/tree/*' ? '' : '/a'))),
    ]),
  ),
  [`GET ${pages}/delete`]: needs(shown('/delete')),
  ...Object.fromEntries(
    ['keep', 'secrets', 'expire', 'delete', 'undo'].map((act) => [
      `POST ${pages}/${act}`,
      needs(shown(`/${act}`), form),
    ]),
  ),
  [`GET ${page}`]: reads('/PROJECT/actions/runs/1'),
  [`GET ${page}/attempts/:attempt{[0-9]+}`]: reads('/PROJECT/actions/runs/1/attempts/1'),
  [`GET ${page}/attempts/:attempt{[0-9]+}/jobs/:job`]: reads(
    '/PROJECT/actions/runs/1/attempts/1/jobs/build',
  ),
  'GET /:owner/:repo/artifacts': reads('/PROJECT/artifacts?state=any'),
  'POST /:owner/:repo/artifacts': needs('/PROJECT/artifacts', form),
  'GET /:owner/:repo/compare': { none: 'redirects to the page of the pair' },
  'GET /:owner/:repo/compare/:pair': reads(
    ({ project, id, later }) => `/${project}/compare/${id}...${later}`,
  ),
  'GET /:owner/:repo/latest/:branch/:name': reads('/PROJECT/latest/main/dist'),
  'GET /:owner/:repo/latest/:branch/:name/*': reads('/PROJECT/latest/main/dist/a'),
  'GET /:owner/:repo/search': reads('/PROJECT/search?path=**'),
  'GET /:owner/:repo': reads('/PROJECT'),
  'GET /:owner/:repo/trends': reads('/PROJECT/trends?name=dist&branch=main'),
  'GET /:owner/:repo/upload': needs('/PROJECT/upload'),
  'GET /:owner/:repo/storage': needs('/PROJECT/storage'),
  ...Object.fromEntries(
    ['', '/retention', '/tokens'].flatMap((rest) => [
      [`GET /:owner/:repo/settings${rest}`, needs(`/PROJECT/settings${rest}`)],
      [`POST /:owner/:repo/settings${rest}`, needs(`/PROJECT/settings${rest}`, form)],
    ]),
  ),
  'GET /:owner/:repo/settings/audit': needs('/PROJECT/settings/audit'),
  ...Object.fromEntries(
    ['GET /admin/storage', 'GET /admin/audit', 'GET /account', 'POST /account'].map((route) => {
      const [method, path = ''] = route.split(' ')
      return [route, needs(path, method === 'POST' ? form : {})]
    }),
  ),
  ...Object.fromEntries(
    ['/admin/maintenance', '/admin/tokens'].flatMap((path) => [
      [`GET ${path}`, needs(path)],
      [`POST ${path}`, needs(path, form)],
    ]),
  ),
  'GET /': { none: 'lists what the visitor may read; tested below' },
  'GET /find': { none: 'searches what the visitor may read; tested below' },
  'GET /metrics': { none: 'open to this machine; tested below' },
  ...Object.fromEntries(
    [
      'GET /openapi.json',
      'GET /sign-in',
      'GET /sign-in/sso',
      'GET /sign-in/callback',
      'POST /sign-in',
      'POST /sign-out',
      'GET /assets/:file',
      'GET /robots.txt',
      'GET /trove.tgz',
      'GET /healthz',
      'GET /readyz',
    ].map((route) => [route, { none: 'needs no credential' }]),
  ),
}
