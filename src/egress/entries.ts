/** The entries of an artifact, page by page, as members for the archive layouts. */
import { nextTurn } from '../core/turn.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { type Batch, entryPages } from './entry-pages.ts'
import type { Reader } from './reader.ts'
import type { TarMember } from './tar/tar-layout.ts'
import { type ZipMember, zipMember } from './zip/zip-layout.ts'

/** Selects entries of an artifact. */
export interface PathFilter {
  matches(path: string): boolean
  /** Aborted when the client no longer waits: many paths may be tested before one matches. */
  signal: AbortSignal | undefined
}

/** Longest time that matching runs before it yields to the event loop. A single path takes one or
 *  two ms at worst. */
const turnMs = 5

/** Members laid out before yielding to the event loop: each of a tar takes up to some fifty
 *  microseconds. */
const membersAtOnce = 64

export async function* tarMembers(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  filter: PathFilter | undefined,
  firstPage = 0,
): AsyncGenerator<Batch<TarMember>> {
  let page = firstPage
  for await (const { entries, modifiedAt } of entryPages(reader, artifact, firstPage)) {
    await nextTurn()
    const members = entries.map((entry, index) => ({
      entry,
      modifiedAt: modifiedAt[index] ?? null,
    }))
    const taken = filter === undefined ? members : await filterMembers(members, filter)
    // Each batch is laid out synchronously, in a turn of its own.
    for (let first = 0; first < taken.length; first += membersAtOnce) {
      if (first > 0) await nextTurn()
      const batch = taken.slice(first, first + membersAtOnce)
      yield { page: first === 0 ? page : undefined, members: batch }
    }
    page += 1
  }
}

/** Returns the members whose paths match. Yields to the event loop regularly, because patterns come
 *  from callers and paths from uploads, and a page of long ones can take a second
 *  (`core/glob/path-glob.ts`). */
async function filterMembers(
  members: readonly TarMember[],
  { matches, signal }: PathFilter,
): Promise<TarMember[]> {
  const matching: TarMember[] = []
  let turnEnd = performance.now() + turnMs
  for (const member of members) {
    if (matches(member.entry.path)) matching.push(member)
    if (performance.now() < turnEnd) continue
    await nextTurn()
    turnEnd = performance.now() + turnMs
    signal?.throwIfAborted()
  }
  signal?.throwIfAborted()
  return matching
}

/** Applies the filter to paths as they are in the artifact, without `prefix`. */
export async function* zipMembers(
  reader: Reader,
  artifact: Artifact,
  options: { prefix: string; filter: PathFilter | undefined; firstPage?: number },
): AsyncGenerator<Batch<ZipMember>> {
  const { readParts } = reader.metadata
  const { prefix, filter, firstPage } = options
  for await (const { page, members } of tarMembers(reader, artifact, filter, firstPage)) {
    const zipped = members.map(({ entry, modifiedAt }) =>
      zipMember(entry, { modifiedAt, prefix, readParts }),
    )
    yield { page, members: zipped }
  }
}
