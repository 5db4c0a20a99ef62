/** Signed URLs: the credential of blob uploads and downloads, which carry no Authorization
 *  header. The MAC covers a length-delimited tuple, so no two targets share one, and is compared
 *  in constant time as decoded from the query. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { storeError } from '../core/errors.ts'

/** What a signed URL permits, and on what. */
export interface SignedTarget {
  /** `visit` reads like `read`, but was handed out without a credential. */
  access: 'read' | 'visit' | 'write'
  /** The route that `id` belongs to. */
  route: 'upload' | 'artifact' | 'file' | 'content'
  id: string
  /** Of the file in the artifact, unescaped; other routes have none. */
  path?: string
}

export type ReadAccess = Exclude<SignedTarget['access'], 'write'>

/** The two query parameters. Stock clients mask a parameter called `sig` in job logs
 *  (GITHUB-PROTOCOL §1.13). */
export interface UrlSignature {
  /** Unix seconds after which the URL is refused. */
  se: string
  /** base64url without padding: newer SDKs lose a trailing `=` (GITHUB-PROTOCOL §8.1). */
  sig: string
}

/** As a request has it: decoded from its address, where any of it may be missing. */
export type GivenSignature = { [Name in keyof UrlSignature]: UrlSignature[Name] | undefined }

/** `expiresAt` is in epoch ms and rounded down to the second. */
export function signTarget(key: Uint8Array, target: SignedTarget, expiresAt: number): UrlSignature {
  const se = String(Math.floor(expiresAt / 1000))
  return { se, sig: macOf(key, target, se) }
}

/** Errors: signed_url_invalid. */
export function verifyTarget(
  key: Uint8Array,
  target: SignedTarget,
  { se, sig }: GivenSignature,
  now: number,
): void {
  if (se === undefined || sig === undefined) throw invalid('the URL is not signed')
  if (!isSigned(key, target, { se, sig })) throw invalid('the signature of the URL is wrong')
  if (Number(se) * 1000 <= now) {
    throw invalid(`the signed URL expired at ${new Date(Number(se) * 1000).toISOString()}`)
  }
}

/** As `verifyTarget`, for a URL that reads. Returns the access it was signed for. */
export function verifyReading(
  key: Uint8Array,
  target: Omit<SignedTarget, 'access'>,
  signature: GivenSignature,
  now: number,
): ReadAccess {
  const { se = '', sig = '' } = signature
  const access = isSigned(key, { ...target, access: 'visit' }, { se, sig }) ? 'visit' : 'read'
  verifyTarget(key, { ...target, access }, signature, now)
  return access
}

function isSigned(key: Uint8Array, target: SignedTarget, { se, sig }: UrlSignature): boolean {
  // Compared as text: base64 decoding would ignore the last character's spare bits and all invalid
  // characters.
  const given = Buffer.from(sig)
  const expected = Buffer.from(macOf(key, target, se))
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function macOf(key: Uint8Array, target: SignedTarget, se: string): string {
  const { access, route, id, path } = target
  const mac = createHmac('sha256', key)
  for (const field of [access, route, id, ...(path === undefined ? [] : [path]), se]) {
    mac.update(`${Buffer.byteLength(field)}:${field},`)
  }
  return mac.digest('base64url')
}

function invalid(reason: string): Error {
  return storeError('signed_url_invalid', reason, { reason })
}
