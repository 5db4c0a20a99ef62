/** Finds and damages packs, for tests of damage. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Metadata, UnverifiedPack } from '../../src/metadata/metadata.ts'

/** Paths of all sealed packs below a CAS directory, in order. */
export async function packPaths(casDirectory: string): Promise<string[]> {
  const packs = join(casDirectory, 'packs')
  const files = await readdir(packs, { recursive: true, withFileTypes: true })
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .toSorted()
}

/** Inverts one byte. Packs are never rewritten, so nobody has it open for writing. */
export async function flipByte(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[offset] = bytes[offset]! ^ 0xff
  await writeFile(path, bytes)
}

/** Flips a byte of the only place in the packs where `stored` occurs. */
export async function spoil(casDirectory: string, stored: Uint8Array): Promise<void> {
  for (const path of await packPaths(casDirectory)) {
    const at = (await readFile(path)).indexOf(stored)
    if (at < 0) continue
    await flipByte(path, at + Math.floor(stored.length / 2))
    return
  }
  throw new Error('no pack holds these bytes')
}

/** All packs in the database. */
export async function wholePacks(metadata: Metadata): Promise<UnverifiedPack[]> {
  const ever = Number.MAX_SAFE_INTEGER
  const after = { verifiedAt: -1, id: 0 }
  return await metadata.listUnverifiedPacks({
    since: ever,
    now: ever,
    writtenBefore: ever,
    after,
    limit: 100,
  })
}
