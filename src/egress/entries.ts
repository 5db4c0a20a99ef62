/** The entries of an artifact, page by page, as the members that the layouts take. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Artifact } from '../metadata/metadata.ts'
import { type Batch, entryPages } from './entry-pages.ts'
import type { Reader } from './reader.ts'
import type { TarMember } from './tar-layout.ts'
import { type ZipMember, zipMember } from './zip-layout.ts'

/** Which entries to take. */
export interface PathFilter {
  matches(path: string): boolean
  /** Aborted when nobody waits any more: many paths can be looked at before one matches. */
  signal: AbortSignal | undefined
}

/** How long matching goes on before others have their turn. A single path takes one or two at worst. */
const turnMs = 5

/** Members that are laid out before others have their turn: those of a tar take up to some fifty microseconds each. */
const membersAtOnce = 64

export async function* tarMembers(
  reader: Pick<Reader, 'metadata'>,
  artifact: Artifact,
  filter: PathFilter | undefined,
  firstPage = 0,
): AsyncGenerator<Batch<TarMember>> {
  let page = firstPage
  for await (const { entries, modifiedAt } of entryPages(reader, artifact, firstPage)) {
    const members = entries.map((entry, index) => ({
      entry,
      modifiedAt: modifiedAt[index] ?? null,
    }))
    const taken = filter === undefined ? members : await filterMembers(members, filter)
    // What is yielded is laid out in one go; others have their turn before the next of it.
    for (let first = 0; first < taken.length; first += membersAtOnce) {
      if (first > 0) await nextTurn()
      const batch = taken.slice(first, first + membersAtOnce)
      yield { page: first === 0 ? page : undefined, members: batch }
    }
    page += 1
  }
}

/** The members whose paths match, in turns: patterns come from callers and paths from uploads, and a page of long ones can
 *  take a second (`core/path-glob.ts`). */
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

/** Paths are filtered as they are in the artifact, before `prefix` is put before them. */
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
