/** Iterates over all artifacts that match a filter, one page of the list at a time. */
import { tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { slicesOf } from '../../core/slices.ts'
import type { Artifact, ArtifactFilter } from '../../metadata/metadata.ts'
import type { AppContext } from '../context.ts'

type Sort = 'newest' | 'oldest'

/** Continues by id rather than by offset, so that deletions between two pages make it skip no
 *  artifact. */
export async function* walkArtifacts(
  { metadata, now }: Pick<AppContext, 'metadata' | 'now'>,
  filter: ArtifactFilter,
  sort: Sort = 'newest',
): AsyncGenerator<Artifact, void, undefined> {
  const page = { limit: limits.listPageMax, offset: 0, sort, now: now() } as const
  if (filter.ids !== undefined) {
    // One query per slice of the ids: with all ids in the filter, every page would look all of them
    // up again.
    const inOrder = [...new Set(filter.ids)].sort((a, b) => (sort === 'newest' ? b - a : a - b))
    for (const ids of slicesOf(inOrder, limits.listPageMax))
      yield* await metadata.findArtifacts({ ...filter, ids }, page)
    return
  }
  let place: Pick<ArtifactFilter, 'beforeId' | 'afterId'> = {}
  for (;;) {
    const artifacts = await metadata.findArtifacts({ ...filter, ...place }, page)
    yield* artifacts
    const last = artifacts.at(-1)
    if (last === undefined || artifacts.length < page.limit) return
    place = sort === 'newest' ? { beforeId: last.id } : { afterId: last.id }
  }
}

/** Returns the matching artifacts, oldest first. Errors: too_large (more than can be handled at
 *  once). */
export async function collectArtifacts(
  context: Pick<AppContext, 'metadata' | 'now'>,
  filter: ArtifactFilter,
): Promise<Artifact[]> {
  const found: Artifact[] = []
  for await (const artifact of walkArtifacts(context, filter)) {
    if (found.length === limits.bulkDeleteMax) throw tooManyArtifacts()
    found.push(artifact)
  }
  return found.reverse()
}

export function tooManyArtifacts(): Error {
  const limitValue = limits.bulkDeleteMax
  const reason = `more than ${limitValue} artifacts match: narrow the filter`
  return tooLarge('artifacts at once', limitValue, reason)
}
