/** All artifacts that a filter lets through, a page of the list at a time. */
import { limits } from '../core/limits.ts'
import type { Artifact, ArtifactFilter } from '../metadata/metadata.ts'
import type { AppContext } from './context.ts'

/** The newest first. Goes on by id and not by count: what is deleted between two pages must not make it pass over another. */
export async function* walkArtifacts(
  { metadata, now }: Pick<AppContext, 'metadata' | 'now'>,
  filter: ArtifactFilter,
): AsyncGenerator<Artifact, void, undefined> {
  const page = { limit: limits.listPageMax, offset: 0, sort: 'newest', now: now() } as const
  let before: Pick<ArtifactFilter, 'beforeId'> = {}
  for (;;) {
    const { artifacts } = await metadata.listArtifacts({ ...filter, ...before }, page)
    yield* artifacts
    const last = artifacts.at(-1)
    if (last === undefined || artifacts.length < page.limit) return
    before = { beforeId: last.id }
  }
}
