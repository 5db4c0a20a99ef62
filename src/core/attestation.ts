/** Attestations: signed statements by the server about an artifact it received, in standard
 *  formats: an in-toto Statement v1 whose subjects are the files and the zip; wrapped in a DSSE
 *  envelope (`application/vnd.in-toto+json`); and that in a Sigstore bundle with a key in place of
 *  a certificate. The predicate is a *receipt*: it says which run the subjects came from. It is not
 *  SLSA provenance, because the server did not observe the build. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { digestOf } from './bytes/digest.ts'
import { invalidRequest } from './errors.ts'

export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
export const payloadType = 'application/vnd.in-toto+json'
export const statementType = 'https://in-toto.io/Statement/v1'
export const receiptType = 'urn:trove:receipt:v1'

/** An in-toto `ResourceDescriptor`: a file by path, with its mode and length, or the zip. */
export interface Subject {
  name: string
  digest: { sha256: string }
  mediaType?: 'application/zip'
  annotations?: { mode: string; sizeBytes: number }
}

/** The predicate: what the server states about the subjects. Null means unknown to the server. */
export interface Receipt {
  /** The server's `TROVE_PUBLIC_URL`. */
  store: string | null
  artifactId: number
  name: string
  project: string
  run: number
  attempt: number
  job: string
  branch: string | null
  sha: string | null
  workflow: string | null
  event: string | null
  /** The run was for a pull request, so its code was not yet merged. */
  untrusted: boolean
  receivedAt: string
  /** Digests of the whole artifact, in wire form. */
  treeDigest: string
  zipDigest: string | null
  /** The statement covers this entry and everything below it; '' covers the whole artifact. */
  path: string
  /** Symlinks and directory entries, as their manifest lines (`core/manifest/manifest.ts`),
   *  which the tree digest covers. */
  otherEntries: string[]
}

export interface Statement {
  _type: typeof statementType
  subject: Subject[]
  predicateType: typeof receiptType
  predicate: Receipt
}

/** The bytes that precede the payload in what is signed: DSSE's pre-authentication encoding
 *  (PAE). */
export function signedPrefix(payloadBytes: number): string {
  return `DSSEv1 ${payloadType.length} ${payloadType} ${payloadBytes} `
}

/** The SHA-256 of the key's DER encoding (SubjectPublicKeyInfo). */
export function keyIdOf(publicKey: KeyObject): string {
  return digestOf(publicKey.export({ type: 'spki', format: 'der' }))
}

/** Returns the public keys of all PEM blocks in `pem`; private keys yield their public half.
 *  Errors: invalid_request (no key, or one that is not ECDSA P-256). */
export function parsePublicKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]*(?:PUBLIC|PRIVATE) KEY)-----[^-]+-----END \1-----/g)
  if (blocks === null) throw badKey('no PEM key found')
  return blocks.map(parsePublicKey)
}

function parsePublicKey(block: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey(block)
  } catch (error) {
    throw badKey(`unreadable key: ${(error as Error).message}`)
  }
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw badKey('unsupported key: it must be ECDSA P-256')
}

function badKey(reason: string): Error {
  return invalidRequest('key', reason)
}
