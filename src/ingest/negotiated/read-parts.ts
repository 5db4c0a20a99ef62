/** Reads parts of large files back to assemble them. Every stream is checked before it is used: a
 *  damaged one is marked, so that it counts as missing and the client that has it is told to send
 *  it (invariant 4). */
import { type Part, placeOf } from '../../core/bytes/copy.ts'
import { groupsOf } from '../../core/slices.ts'
import { arePagesIntact } from '../../packs/format/page-checks.ts'
import { readNeighbours } from '../../packs/read-neighbours.ts'
import type { IngestPorts } from '../session.ts'

export interface ReadParts {
  /** In the order of the parts, without the damaged ones. */
  streams: Buffer[]
  /** Ids of damaged streams. */
  damaged: Set<number>
}

/** The caller must hold a read lease that is older than the places of `parts`. */
export async function readParts(ports: ReadPorts, parts: readonly Part[]): Promise<ReadParts> {
  const found = Array<Buffer | undefined>(parts.length)
  for (const group of groupsOfPlaced(parts)) await readGroup(ports, group, found)
  const read: ReadParts = { streams: [], damaged: new Set() }
  for (const [index, { copy }] of parts.entries()) {
    const stream = found[index]
    const isSound = stream !== undefined && arePagesIntact(copy.checks, 0, stream)
    if (isSound && !copy.damaged) {
      read.streams.push(stream)
      continue
    }
    read.damaged.add(copy.streamId)
    if (!copy.damaged) await ports.metadata.markDamaged(placeOf(copy))
  }
  return read
}

type ReadPorts = Pick<IngestPorts, 'packs' | 'metadata'>

interface PlacedPart {
  copy: Part['copy']
  /** Index among the requested parts. */
  index: number
}

/** Copies no further apart than this are read together: a system call costs as much as reading this
 *  much. */
const gapBytesMax = 16 * 1024

/** Groups copies that one read covers. The parts of one file were usually sent together, and so lie
 *  together in their pack. */
function groupsOfPlaced(parts: readonly Part[]): Iterable<PlacedPart[]> {
  const byPlace = parts
    .map(({ copy }, index) => ({ copy, index }))
    .toSorted(({ copy: a }, { copy: b }) =>
      a.packName === b.packName ? compareInPack(a, b) : a.packName < b.packName ? -1 : 1,
    )
  return groupsOf(byPlace, (group, { copy }) => {
    const last = group.at(-1)!.copy
    const gapBytes = copy.offset - (last.offset + last.lengthBytes)
    return copy.packName === last.packName && gapBytes <= gapBytesMax
  })
}

/** An empty copy sorts before the one that begins at the same offset. */
function compareInPack(a: Part['copy'], b: Part['copy']): number {
  return a.offset - b.offset || a.lengthBytes - b.lengthBytes
}

async function readGroup(
  { packs }: ReadPorts,
  group: readonly PlacedPart[],
  found: (Buffer | undefined)[],
): Promise<void> {
  const copies = group.map(({ copy }) => copy)
  const streams = await readNeighbours(packs, copies[0]!.packName, copies)
  for (const [at, { index }] of group.entries()) found[index] = streams[at]
}
