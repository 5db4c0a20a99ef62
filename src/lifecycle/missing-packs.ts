/** Finds packs that the metadata relies on and the store lacks: a bad disk lost them, or the
 *  metadata is older than the store, which has compacted or deleted them since. */
import type { Metadata, UnverifiedPack } from '../metadata/metadata.ts'
import type { PackName, PackStore } from '../packs/pack-store.ts'

const packsPerPage = 100

/** Yields whole packs with live copies of which the store has no file. */
export async function* missingPacks(
  { metadata, packs }: { metadata: Metadata; packs: Pick<PackStore, 'list'> },
  signal?: AbortSignal,
): AsyncGenerator<UnverifiedPack> {
  const present = new Set<PackName>()
  for await (const { name } of packs.list()) present.add(name)
  const ever = Number.MAX_SAFE_INTEGER
  const all = { since: ever, now: ever, writtenBefore: ever, limit: packsPerPage }
  for (let after = { verifiedAt: -1, id: 0 }; ;) {
    const known: UnverifiedPack[] = await metadata.listUnverifiedPacks({ ...all, after })
    for (const pack of known) {
      signal?.throwIfAborted()
      if (!present.has(pack.name)) yield pack
      after = pack
    }
    if (known.length < packsPerPage) return
  }
}
