/** Serves documents of artifacts (content-origin.ts), with the policy of the origin that the
 *  request came in on. */
import { Hono, type MiddlewareHandler } from 'hono'
import { noSuchPath } from '../../browse/entries.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { artifactNotFound, forbidden, storeError } from '../../core/errors.ts'
import { representFile } from '../../egress/egress.ts'
import type { Representation } from '../../egress/representation.ts'
import { signedArtifact } from '../../http/access/signed-access.ts'
import type { AppContext, AppEnv, AppRequest } from '../../http/context.ts'
import { restOfPath } from '../../http/input.ts'
import { mediaTypeOf } from '../../http/body/media-type.ts'
import { sendUnderLease } from '../../http/body/reading.ts'
import type { Artifact, StoredFile } from '../../metadata/metadata.ts'
import {
  contentRoot,
  hasOwnHosts,
  isContentHost,
  isHostOf,
  parseContentCredential,
} from './content-origin.ts'
import { withStorageShim } from './storage-shim.ts'

/** Serves nothing but content on the content origin: no pages, no API, no sign-in. */
export function onlyContentOnItsHost(context: AppContext): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (isContentHost(context.config, hostOf(c)) && !c.req.path.startsWith(`${contentRoot}/`)) {
      throw storeError('not_found', 'only contents of artifacts are served on this host', {
        what: c.req.path,
      })
    }
    await next()
  }
}

export function createContentRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(`${contentRoot}/:credential/*`, async (c) => {
    refuseWorkers(context, c)
    const credential = c.req.param('credential')
    const artifact = await openArtifact(context, c, credential)
    const path = restOfPath(c, 2)
    return await sendUnderLease(context, c, {
      artifacts: [artifact],
      represent: () => representContent(context, c, artifact, path),
      mode: 'ranged',
      disposition: 'inline',
    })
  })
  return app
}

/** Returns the representation of the file and sets the response headers, whose policy depends on
 *  its media type. */
async function representContent(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
  path: string,
): Promise<Representation> {
  const file = await findFile(context, artifact, path)
  if (file === undefined) throw noSuchPath(artifact, path)
  const contentType = mediaTypeOf(file.path)
  for (const [name, value] of Object.entries(contentHeaders(context, c, contentType)))
    c.header(name, value)
  const plain = await representFile(context, artifact, file, { contentType })
  const mayRun = isContentHost(context.config, hostOf(c)) && contentType.startsWith('text/html')
  return mayRun ? await withStorageShim(plain) : plain
}

/** Rejects requests for service worker scripts on shared hosts: a service worker outlives the
 *  page that registered it, and would see other artifacts of the host. On its own host an
 *  artifact may register one (Playwright's trace viewer needs it). */
function refuseWorkers({ config }: AppContext, c: AppRequest): void {
  if (c.req.header('service-worker') === undefined) return
  if (hasOwnHosts(config) && isContentHost(config, hostOf(c))) return
  throw forbidden('service workers are not served')
}

async function openArtifact(
  context: AppContext,
  c: AppRequest,
  credential: string,
): Promise<Artifact> {
  const { id, signature } = parseContentCredential(credential)
  const host = hostOf(c) ?? ''
  // Scripts of one artifact must not run on the host of another.
  if (isContentHost(context.config, host) && !isHostOf(context.config, host, id))
    throw artifactNotFound(`id:${id}`)
  return await signedArtifact(context, c, { route: 'content', id }, signature)
}

/** Finds the file at the path, or `index.html` if the path is a directory. */
async function findFile(
  { metadata }: AppContext,
  artifact: Artifact,
  path: string,
): Promise<StoredFile | undefined> {
  const exact = path === '' ? undefined : await metadata.findEntry(artifact.id, path)
  if (exact?.entry.kind === 'file') return exact.entry
  const directory = withoutEndSlashes(path)
  const index = directory === '' ? 'index.html' : `${directory}/index.html`
  const found = await metadata.findEntry(artifact.id, index)
  return found?.entry.kind === 'file' ? found.entry : undefined
}

function contentHeaders(
  { config }: AppContext,
  c: AppRequest,
  contentType: string,
): Record<string, string> {
  return {
    'content-security-policy': contentPolicy(config, hostOf(c), contentType),
    // To a document with an opaque origin even its own parts are cross-origin; the path is the
    // credential.
    'cross-origin-resource-policy': 'cross-origin',
    'access-control-allow-origin': '*',
    'referrer-policy': 'no-referrer',
    'origin-agent-cluster': '?1',
  }
}

function contentPolicy(
  config: AppContext['config'],
  host: string | undefined,
  contentType: string,
): string {
  const ancestors = config.publicUrl === null ? '' : `; frame-ancestors 'self' ${config.publicUrl}`
  // The browser's built-in viewer shows PDF isolated from our origin, and a sandbox would keep it
  // from loading. The viewer of WebKitGTK is as small as a stamp without a style of its own.
  if (contentType === 'application/pdf')
    return `default-src 'none'; style-src 'unsafe-inline'${ancestors}`
  if (!isContentHost(config, host)) return scriptFreePolicy + ancestors
  const sameOrigin = hasOwnHosts(config) ? ' allow-same-origin' : ''
  return (
    `sandbox allow-scripts allow-popups allow-forms allow-modals allow-downloads${sameOrigin}; ` +
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'self'; base-uri 'self'" +
    ancestors
  )
}

/** An opaque origin, no scripts, no forms; loads nothing but parts of the same artifact. */
const scriptFreePolicy =
  "sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
  "media-src 'self'"

function hostOf(c: AppRequest): string | undefined {
  return c.req.header('host')
}
