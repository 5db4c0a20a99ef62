/** The entries of an artifact in the pages in which they are stored. An archive can be resumed at
 *  the beginning of a page. */
import { boundedPages } from '../core/manifest/heavy-pages.ts'
import type { Artifact, EntryPage } from '../metadata/metadata.ts'
import type { Reader } from './reader.ts'

/** Members that are laid out together. `page`: the page of entries that they begin; undefined when
 *  they continue one. */
export interface Batch<Member> {
  page: number | undefined
  members: Member[]
}

export function entryPages(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  first = 0,
): AsyncGenerator<EntryPage> {
  return boundedPages((number) => reader.metadata.readEntryPage(artifact.id, number), first)
}
