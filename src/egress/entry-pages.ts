/** The entries of an artifact as they are stored: in pages, at the beginning of which an archive can be gone on with. */
import type { Artifact, EntryPage } from '../metadata/metadata.ts'
import type { Reader } from './reader.ts'

/** Members that are laid out in one go. `page`: the page of entries that they begin; undefined where they go on with it. */
export interface Batch<Member> {
  page: number | undefined
  members: Member[]
}

export async function* entryPages(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  first = 0,
): AsyncGenerator<EntryPage> {
  for (let number = first; ; number++) {
    const page = await reader.metadata.readEntryPage(artifact.id, number)
    if (page === undefined) return
    yield page
  }
}
