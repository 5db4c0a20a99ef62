/** Signed URLs: the credential of blob uploads and downloads, which carry no Authorization
 *  header. The MAC covers a length-delimited tuple, so no two targets share one, and is compared
 *  in constant time as decoded from the query. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { storeError } from '../core/errors.ts'

/** What a signed URL permits, and on what. */
export interface SignedTarget {
  access: 'read' | 'write'
  /** The route that `id` belongs to. */
  route: 'upload' | 'artifact' | 'file' | 'content'
  id: string
  /** Of the file in the artifact, unescaped; other routes have none. */
  path?: string
}

/** Whose token signed a URL that reads. The URL is worth nothing once they are not. */
export interface Signer {
  /** The ids of the token and of its ancestors. */
  lineage: readonly string[]
  /** Epoch ms if it is a token of the artifact's project, which are revoked together; else null. */
  issuedAt: number | null
  /** The id of its person, or null. */
  person: string | null
}

/** The query parameters. Stock clients mask a parameter called `sig` in job logs
 *  (GITHUB-PROTOCOL §1.13). */
export interface UrlSignature {
  /** Unix seconds after which the URL is refused. */
  se: string
  /** The signer; absent without one: the URL was handed out without a credential, or uploads. */
  by?: string | undefined
  /** base64url without padding: newer SDKs lose a trailing `=` (GITHUB-PROTOCOL §8.1). */
  sig: string
}

/** As a request has it: decoded from its address, where any of it may be missing. */
export type GivenSignature = { [Name in keyof UrlSignature]?: UrlSignature[Name] | undefined }

/** `expiresAt` is in epoch ms and rounded down to the second. */
export function signTarget(
  key: Uint8Array,
  target: SignedTarget,
  expiresAt: number,
  signer: Signer | null = null,
): UrlSignature {
  const se = String(Math.floor(expiresAt / 1000))
  const by = signer === null ? undefined : formatSigner(signer)
  return { se, by, sig: macOf(key, target, { se, by }) }
}

/** Formats the query of a signed URL. */
export function formatSignature({ se, by, sig }: UrlSignature): string {
  return `se=${se}${by === undefined ? '' : `&by=${by}`}&sig=${sig}`
}

/** Errors: signed_url_invalid. */
export function verifyTarget(
  key: Uint8Array,
  target: SignedTarget,
  { se, by, sig }: GivenSignature,
  now: number,
): void {
  if (se === undefined || sig === undefined) throw signedUrlInvalid('the URL is not signed')
  if (!isSigned(key, target, { se, by, sig }))
    throw signedUrlInvalid('the signature of the URL is wrong')
  if (Number(se) * 1000 <= now) {
    const reason = `the signed URL expired at ${new Date(Number(se) * 1000).toISOString()}`
    throw signedUrlInvalid(reason)
  }
}

/** As `verifyTarget`, for a URL that reads. Returns its signer, null if it was handed out without
 *  a credential. */
export function verifyReading(
  key: Uint8Array,
  target: Omit<SignedTarget, 'access'>,
  signature: GivenSignature,
  now: number,
): Signer | null {
  verifyTarget(key, { ...target, access: 'read' }, signature, now)
  return signature.by === undefined ? null : parseSigner(signature.by)
}

/** Nothing in it needs escaping. */
function formatSigner({ lineage, issuedAt, person }: Signer): string {
  return [issuedAt ?? '', person ?? '', ...lineage].join('.')
}

/** `text` is what `formatSigner` made: the MAC covers it. */
function parseSigner(text: string): Signer {
  const [issuedAt = '', person = '', ...lineage] = text.split('.')
  return { lineage, issuedAt: issuedAt === '' ? null : Number(issuedAt), person: person || null }
}

function isSigned(key: Uint8Array, target: SignedTarget, { sig, ...rest }: UrlSignature): boolean {
  // Compared as text: base64 decoding would ignore the last character's spare bits and all invalid
  // characters.
  const given = Buffer.from(sig)
  const expected = Buffer.from(macOf(key, target, rest))
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function macOf(
  key: Uint8Array,
  { access, route, id, path }: SignedTarget,
  { se, by }: Omit<UrlSignature, 'sig'>,
): string {
  const mac = createHmac('sha256', key)
  // The route tells whether there is a path, and the number of fields whether there is a signer.
  for (const field of [access, route, id, path, se, by]) {
    if (field === undefined) continue
    mac.update(`${Buffer.byteLength(field)}:${field},`)
  }
  return mac.digest('base64url')
}

export function signedUrlInvalid(reason: string): Error {
  return storeError('signed_url_invalid', reason, { reason })
}
