/** Reads representations, whole or in part. */
import { expect } from 'vitest'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact, StoredFile } from '../../src/metadata/metadata.ts'
import type { MemoryStore } from './memory-store.ts'

/** Returns the bytes of `[start, end)`; without a range, all of them. */
export async function readAll(
  representation: Representation,
  start = 0,
  end: number = representation.totalBytes,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of representation.read(start, end)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error,
  )
}

export async function fileOf(
  store: MemoryStore,
  artifact: Artifact,
  path: string,
): Promise<StoredFile> {
  const page = await store.reader.metadata.readEntryPage(artifact.id, 0)
  return page!.entries.find((entry) => entry.path === path) as StoredFile
}
