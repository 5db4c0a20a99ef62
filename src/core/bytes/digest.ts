/** Digests: SHA-256 as 64 lower-case hex characters inside, `sha256:<hex>` on the wire, 32 bytes on
 *  disk. */
import { createHash, hash } from 'node:crypto'
import { asBuffer } from './as-buffer.ts'

declare const digestBrand: unique symbol
/** A SHA-256 as 64 lower-case hex characters. Made only by the functions of this file. */
export type Digest = string & { readonly [digestBrand]: true }

/** Length of a digest in binary form. */
export const digestBytes = 32

/** Digest of empty content. */
export const emptyDigest = digestOf(new Uint8Array())

/** Digest of bytes in memory. Runs on the calling thread at about 2 GB/s. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return hash('sha256', bytes, 'hex') as Digest
}

/** An incremental digest: call `update` any number of times, then `digest` once. */
export interface DigestHasher {
  update(bytes: Uint8Array): void
  digest(): Digest
}

export function createDigestHasher(): DigestHasher {
  const hasher = createHash('sha256')
  return {
    update: (bytes) => {
      hasher.update(bytes)
    },
    digest: () => hasher.digest('hex') as Digest,
  }
}

/** Parses 64 lower-case hex characters; returns undefined for anything else. */
export function parseDigest(text: string): Digest | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as Digest) : undefined
}

/** Parses `sha256:<64 hex>`; returns undefined for anything else, including upper case (the wire
 *  form is exact). */
export function parseWireDigest(text: string): Digest | undefined {
  return /^sha256:[0-9a-f]{64}$/.test(text) ? (text.slice(7) as Digest) : undefined
}

export function formatWireDigest(digest: Digest): string {
  return `sha256:${digest}`
}

/** Converts the 32 bytes of a digest. Any other length is a bug in the caller. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  if (bytes.length !== digestBytes) {
    throw new RangeError(`a digest has ${digestBytes} bytes, got ${bytes.length}`)
  }
  return asBuffer(bytes).toString('hex') as Digest
}

/** Converts digests that follow each other. */
export function digestsFromBytes(bytes: Uint8Array): Digest[] {
  const digests: Digest[] = []
  for (let at = 0; at < bytes.length; at += digestBytes) {
    digests.push(digestFromBytes(bytes.subarray(at, at + digestBytes)))
  }
  return digests
}

export function digestToBytes(digest: Digest): Buffer {
  return Buffer.from(digest, 'hex')
}
