/** Where bytes of artifacts are shown as documents: below a path that is itself the credential, because documents load
 *  their parts by relative links and without cookies.
 *
 *    /content/{id}.{expiry}.{mac}/{path}
 *
 *  On the origin of TROVE_CONTENT_URL scripts may run: pages and the API are not served there, and no cookie is known.
 *  With `*.` in front each artifact has a host of its own, and so storage and an origin that it shares with nobody;
 *  without, documents get an opaque origin. On our own origin the same path answers without scripts. */
import { encodePath } from '../../api/paths.ts'
import { verifyTarget, signTarget } from '../../auth/signed-urls.ts'
import type { Keys } from '../../auth/key.ts'
import type { Config } from '../../config.ts'
import { storeError } from '../../core/errors.ts'

type ContentConfig = Pick<Config, 'contentUrl'>

/** How long a document's address works: long enough to read a report over a day. */
const lifeMs = 12 * 60 * 60 * 1000
/** Addresses change this seldom, so that a browser can keep what it has loaded. */
const stepMs = 60 * 60 * 1000

export const contentRoot = '/content'

/** The origin for documents of one artifact; null without a content origin. */
export function contentOriginOf({ contentUrl }: ContentConfig, artifactId: number): string | null {
  return contentUrl === null ? null : contentUrl.replace('//*.', `//a${artifactId}.`)
}

export function hasOwnHosts({ contentUrl }: ContentConfig): boolean {
  return contentUrl?.includes('//*.') === true
}

/** Whether a Host header means the content origin, where nothing else is served. */
export function isContentHost({ contentUrl }: ContentConfig, host: string | undefined): boolean {
  if (contentUrl === null || host === undefined) return false
  const wanted = contentUrl.replace(/^https?:\/\//, '').toLowerCase()
  const given = host.toLowerCase()
  if (!wanted.startsWith('*.')) return given === wanted
  const domain = wanted.slice(1)
  return given.endsWith(domain) && /^a\d+$/.test(given.slice(0, -domain.length))
}

/** The host part that the artifact must be asked under, if each has its own. */
export function isHostOf(config: ContentConfig, host: string, artifactId: number): boolean {
  const origin = contentOriginOf(config, artifactId)
  return origin?.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase()
}

/** Path of a file of an artifact as a document. Whoever has it reads that artifact until it expires. */
export function contentPath(
  keys: Pick<Keys, 'signedUrls'>,
  { artifactId, path, now }: { artifactId: number; path: string; now: number },
): string {
  const expiresAt = Math.floor(now / stepMs) * stepMs + lifeMs
  const target = { access: 'read', route: 'content', id: String(artifactId) } as const
  const { se, sig } = signTarget(keys.signedUrls, target, expiresAt)
  return `${contentRoot}/${artifactId}.${se}.${sig}/${encodePath(path)}`
}

/** The path as a log may have it: of a credential only the artifact's id. */
export function loggedPath(path: string): string {
  return path.replace(/^(\/content\/\d{0,16})[^/]+/, '$1…')
}

/** The artifact that a path's credential opens. Errors: signed_url_invalid. */
export function openContentPath(
  keys: Pick<Keys, 'signedUrls'>,
  credential: string,
  now: number,
): number {
  const [id = '', se, sig, ...rest] = credential.split('.')
  if (rest.length > 0 || !/^[1-9]\d{0,15}$/.test(id)) {
    const reason = 'the address of the content is malformed'
    throw storeError('signed_url_invalid', reason, { reason })
  }
  verifyTarget(keys.signedUrls, { access: 'read', route: 'content', id }, { se, sig }, now)
  return Number(id)
}
