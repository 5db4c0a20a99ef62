/** Finds packs that the metadata relies on and the store lacks: a bad disk lost them, or the
 *  metadata is older than the store, which has compacted or deleted them since. */
import { hasCode } from '../../core/errors.ts'
import type { Metadata } from '../../metadata/metadata.ts'
import type { PackName, PackStore } from '../../packs/pack-store.ts'
import { packsFrom } from '../pages.ts'

/** After every name. */
const end = 'g'

/** Yields whole packs with live copies of which the store has no file, by name. What is listed out
 *  of order costs a read each. */
export async function* missingPacks(
  { metadata, packs }: { metadata: Metadata; packs: Pick<PackStore, 'names' | 'read'> },
  signal?: AbortSignal,
): AsyncGenerator<{ id: number; name: PackName }, void, undefined> {
  let after = ''
  const missingUpTo = async function* (
    upTo: PackName,
    present: ReadonlySet<PackName>,
  ): ReturnType<typeof missingPacks> {
    const known = packsFrom({ name: after }, ({ name }, limit) =>
      metadata.listLivePacks({ after: name, upTo, limit }),
    )
    for await (const pack of known) {
      signal?.throwIfAborted()
      if (!present.has(pack.name) && (await isAbsent(packs, pack.name))) yield pack
    }
    if (upTo > after) after = upTo
  }
  for await (const names of packs.names()) yield* missingUpTo(names.at(-1) ?? after, new Set(names))
  yield* missingUpTo(end, new Set())
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
