/** The attestation of an artifact with very many files is streamed. */
import { createPublicKey, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { openAttestationKeys } from '../../src/auth/attestation-keys.ts'
import { signStatement } from '../../src/auth/sign-statement.ts'
import type { EntryReader } from '../../src/browse/entries.ts'
import { statementOf } from '../../src/browse/statement.ts'
import { type Statement, signedPrefix } from '../../src/core/attestation.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { parseEntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import type { Artifact, EntryPage } from '../../src/metadata/metadata.ts'
import { testDirectory } from '../temporary-directory.ts'

const pages = 20
const pageEntries = limits.manifestPageEntries
const digest = digestOf('content')

/** Generates pages of files on demand; `reads` counts them. */
function manyFiles(): EntryReader & { reads: number } {
  const reader = {
    reads: 0,
    readEntryPage: async (_id: number, number: number): Promise<EntryPage | undefined> => {
      if (number === pages) return await Promise.resolve(undefined)
      reader.reads += 1
      const firstOrdinal = number * pageEntries
      const entries = Array.from({ length: pageEntries }, (_, index) => ({
        kind: 'file' as const,
        path: parseEntryPath(`files/${String(firstOrdinal + index).padStart(7, '0')}`),
        mode: 0o644,
        digest,
        sizeBytes: 7,
        blob: { blobId: 1 } as never,
      }))
      return { firstOrdinal, entries, modifiedAt: entries.map(() => null) }
    },
    findEntryPage: async () => await Promise.reject(new Error('unexpected call')),
    findEntry: async () => await Promise.reject(new Error('unexpected call')),
  }
  return reader
}

test('the attestation of ten thousand files is produced page by page', async () => {
  const count = pages * pageEntries
  const artifact = {
    id: 1,
    zipDigest: null,
    treeDigest: digest,
    createdAt: 0,
    entryCount: count,
    fileCount: count,
  }
  const keys = await openAttestationKeys(testDirectory())
  const reader = manyFiles()
  const pieces: Buffer[] = []
  const readsBefore: number[] = []
  for await (const piece of signStatement(keys, () =>
    statementOf(reader, artifact as Artifact, { path: '', store: null }),
  )) {
    pieces.push(Buffer.from(piece))
    readsBefore.push(reader.reads)
  }
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(128 * 1024)
  // The first walk, for the length, precedes the first piece; the second proceeds with the pieces.
  expect(readsBefore[0]).toBe(pages)
  expect(readsBefore[Math.floor(pieces.length / 2)]).toBeLessThan(1.6 * pages)
  expect(reader.reads).toBe(2 * pages)
  const { dsseEnvelope } = JSON.parse(Buffer.concat(pieces).toString()) as {
    dsseEnvelope: { payload: string; signatures: [{ sig: string }] }
  }
  const payload = Buffer.from(dsseEnvelope.payload, 'base64')
  const { subject } = JSON.parse(payload.toString()) as Statement
  expect(new Set(subject.map(({ name }) => name)).size).toBe(count)
  const signed = Buffer.concat([Buffer.from(signedPrefix(payload.length)), payload])
  const signature = Buffer.from(dsseEnvelope.signatures[0].sig, 'base64')
  expect(verify('sha256', signed, createPublicKey(keys.publicKeys), signature)).toBe(true)
})
