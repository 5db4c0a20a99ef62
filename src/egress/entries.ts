/** The entries of an artifact, page by page, as the members that the layouts take. */
import type { Artifact, EntryPage } from '../metadata/metadata.ts'
import type { Reader } from './reader.ts'
import type { TarMember } from './tar-layout.ts'
import { type ZipMember, zipMember } from './zip-layout.ts'

export type PathFilter = (path: string) => boolean

export async function* entryPages(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
): AsyncGenerator<EntryPage> {
  for (let number = 0; ; number++) {
    const page = await reader.metadata.readEntryPage(artifact.id, number)
    if (page === undefined) return
    yield page
  }
}

export async function* tarMembers(
  reader: Reader,
  artifact: Artifact,
  filter: PathFilter | undefined,
): AsyncGenerator<TarMember[]> {
  for await (const { entries, modifiedAt } of entryPages(reader, artifact)) {
    const members = entries.map((entry, index) => ({
      entry,
      modifiedAt: modifiedAt[index] ?? null,
    }))
    yield filter === undefined ? members : members.filter(({ entry }) => filter(entry.path))
  }
}

/** Paths are filtered as they are in the artifact, before `prefix` is put before them. */
export async function* zipMembers(
  reader: Reader,
  artifact: Artifact,
  options: { prefix: string; filter: PathFilter | undefined },
): AsyncGenerator<ZipMember[]> {
  const { readParts } = reader.metadata
  const { prefix, filter } = options
  for await (const members of tarMembers(reader, artifact, filter)) {
    yield members.map(({ entry, modifiedAt }) =>
      zipMember(entry, { modifiedAt, prefix, readParts }),
    )
  }
}
