/** Attestations: what a server says, signed, of an artifact that it received, in the forms that others read. An in-toto Statement
 *  v1, whose subjects are the files and the zip; in a DSSE envelope (`application/vnd.in-toto+json`); in a bundle of Sigstore, with a
 *  key in place of a certificate. What is said of the subjects is a *receipt*: which run they came from. How they were built the
 *  server has not seen, so it is no provenance of SLSA. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { digestOf } from './digest.ts'
import { storeError } from './errors.ts'

export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
export const payloadType = 'application/vnd.in-toto+json'
export const statementType = 'https://in-toto.io/Statement/v1'
export const receiptType = 'urn:trove:receipt:v1'

/** A `ResourceDescriptor` of in-toto: a file by its path, with its mode and length, or the zip. */
export interface Subject {
  name: string
  digest: { sha256: string }
  mediaType?: 'application/zip'
  annotations?: { mode: string; sizeBytes: number }
}

/** What a server says of the subjects. Nulls: it was not told. */
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
  /** From a pull request, whose code nobody had merged. */
  untrusted: boolean
  receivedAt: string
  /** Of the whole artifact, as messages have them. */
  treeDigest: string
  zipDigest: string | null
  /** The statement is about this entry and what lies below it; '' is all. */
  path: string
  /** Links, and directories that are entries: their lines of the manifest (`core/manifest.ts`), whose digest is the tree digest. */
  otherEntries: string[]
}

export interface Statement {
  _type: typeof statementType
  subject: Subject[]
  predicateType: typeof receiptType
  predicate: Receipt
}

/** What stands before a payload where it is signed: the pre-authentication encoding of DSSE. */
export function signedPrefix(payloadBytes: number): string {
  return `DSSEv1 ${payloadType.length} ${payloadType} ${payloadBytes} `
}

/** The SHA-256 of the key as DER (SubjectPublicKeyInfo). */
export function keyIdOf(publicKey: KeyObject): string {
  return digestOf(publicKey.export({ type: 'spki', format: 'der' }))
}

/** The public halves of all keys of a text of PEM blocks. Errors: invalid_request (none there, or one that is not on P-256). */
export function parsePublicKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]*(?:PUBLIC|PRIVATE) KEY)-----[^-]+-----END \1-----/g)
  if (blocks === null) throw badKey('there is no key in PEM')
  return blocks.map(parsePublicKey)
}

function parsePublicKey(block: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey(block)
  } catch (error) {
    throw badKey(`a key cannot be read: ${(error as Error).message}`)
  }
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw badKey('a key is not of ECDSA on P-256')
}

function badKey(reason: string): Error {
  return storeError('invalid_request', reason, { field: 'key' })
}
