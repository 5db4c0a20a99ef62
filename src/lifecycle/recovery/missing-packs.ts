/** Finds packs that the metadata relies on and the store lacks: a bad disk lost them, or the
 *  metadata is older than the store, which has compacted or deleted them since. */
import { hasCode } from '../../core/errors.ts'
import type { Metadata, UnverifiedPack } from '../../metadata/metadata.ts'
import { type PackName, type PackStore, sizesOf } from '../../packs/pack-store.ts'
import { packsFrom } from '../pages.ts'

/** Yields whole packs with live copies of which the store has no file. */
export async function* missingPacks(
  { metadata, packs }: { metadata: Metadata; packs: Pick<PackStore, 'list' | 'read'> },
  signal?: AbortSignal,
): AsyncGenerator<UnverifiedPack> {
  const present = await sizesOf(packs)
  const ever = Number.MAX_SAFE_INTEGER
  const all = { since: ever, now: ever, writtenBefore: ever }
  const known = packsFrom({ verifiedAt: -1, id: 0 }, (after, limit) =>
    metadata.listUnverifiedPacks({ ...all, after, limit }),
  )
  for await (const pack of known) {
    signal?.throwIfAborted()
    if (!present.has(pack.name) && (await isAbsent(packs, pack.name))) yield pack
  }
}

/** A list of a bucket can be older than its objects. */
async function isAbsent(packs: Pick<PackStore, 'read'>, name: PackName): Promise<boolean> {
  try {
    await packs.read(name, 0, 0)
    return false
  } catch (error) {
    if (hasCode(error, 'not_found')) return true
    throw error
  }
}
