/** Addresses under which files of artifacts are shown as documents. The path contains the
 *  credential, because documents load their parts by relative links and without cookies:
 *
 *    /content/{id}.{expiry}.{mac}/{path}
 *
 *  On the origin of TROVE_CONTENT_URL scripts may run: neither pages nor the API are served
 *  there, and it has no cookies. If the setting begins with `*.`, each artifact has a host of
 *  its own, and thus an origin and storage that it shares with no other; otherwise documents get
 *  an opaque origin. On our own origin the same path is served without scripts. */
import { encodePath } from '../../api/paths.ts'
import { type GivenSignature, signTarget, type Signer } from '../../auth/signed-urls.ts'
import type { Keys } from '../../auth/key.ts'
import type { Config } from '../../config/config.ts'
import { hourMs } from '../../core/units.ts'

type ContentConfig = Pick<Config, 'contentUrl'>
type HostConfig = Pick<Config, 'contentUrl' | 'publicUrl'>

/** How long a document's address is valid: enough to read a report during a day. */
const lifeMs = 12 * hourMs
/** Addresses change once per step, so that browsers can reuse what they have cached. */
const stepMs = hourMs

export const contentRoot = '/content'

/** Returns the origin for documents of one artifact; null without a content origin. */
export function contentOriginOf(
  { contentUrl }: ContentConfig,
  artifactId: number | string,
): string | null {
  return contentUrl === null ? null : contentUrl.replace('//*.', `//a${artifactId}.`)
}

export function hasOwnHosts({ contentUrl }: ContentConfig): boolean {
  return contentUrl?.includes('//*.') === true
}

/** Whether a Host header names a content origin, where nothing else is served. With `*.` that is
 *  every host of the domain but the server's own, also one that belongs to no artifact; if its own
 *  is unknown, only the hosts of artifacts. */
export function isContentHost(
  { contentUrl, publicUrl }: HostConfig,
  host: string | undefined,
): boolean {
  if (contentUrl === null || host === undefined) return false
  const wanted = withoutScheme(contentUrl)
  const given = host.toLowerCase()
  if (!wanted.startsWith('*.')) return given === wanted
  const domain = wanted.slice(1)
  if (!given.endsWith(domain)) return false
  if (publicUrl === null) return /^a\d+$/.test(given.slice(0, -domain.length))
  return given !== withoutScheme(publicUrl)
}

/** Whether `host` is the one that serves this artifact's documents. */
export function isHostOf(config: ContentConfig, host: string, artifactId: string): boolean {
  const origin = contentOriginOf(config, artifactId)
  return origin !== null && withoutScheme(origin) === host.toLowerCase()
}

function withoutScheme(origin: string): string {
  return origin.replace(/^https?:\/\//, '').toLowerCase()
}

/** Returns the path of a file as a document. Anyone who has this path can read the whole
 *  artifact until the path expires. */
export function contentPath(
  keys: Pick<Keys, 'signedUrls'>,
  {
    artifactId,
    path,
    signer,
    now,
  }: { artifactId: number; path: string; signer: Signer | null; now: number },
): string {
  const expiresAt = Math.floor(now / stepMs) * stepMs + lifeMs
  const target = { access: 'read', route: 'content', id: String(artifactId) } as const
  const { se, by, sig } = signTarget(keys.signedUrls, target, expiresAt, signer)
  const credential = [artifactId, se, sig, ...(by === undefined ? [] : [by])].join('.')
  return `${contentRoot}/${credential}/${encodePath(path)}`
}

/** Redacts a path for the log: only the artifact's id remains of a credential. */
export function loggedPath(path: string): string {
  return path.replace(/^(\/content\/\d{0,16})[^/]+/, '$1…')
}

/** Takes a path's credential apart. */
export function parseContentCredential(credential: string): {
  id: string
  signature: GivenSignature
} {
  const [id = '', se, sig, ...by] = credential.split('.')
  return { id, signature: { se, sig, by: by.length === 0 ? undefined : by.join('.') } }
}
