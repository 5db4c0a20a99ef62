/** Reads the live copies of a pack in order to write them elsewhere. Neighbours are read
 *  together; a large copy in pages. */
import { limits } from '../../core/limits.ts'
import { groupsOf, pagesOf } from '../../core/slices.ts'
import type { PackedCopy, PackOccupancy } from '../../metadata/metadata.ts'
import type { PackBody } from '../../packs/format/member-writer.ts'
import { arePagesIntact } from '../../packs/format/page-checks.ts'
import { readNeighbours, readOr } from '../../packs/read-neighbours.ts'
import { copyPages } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'

export interface ReadCopy {
  copy: PackedCopy
  body: PackBody
}

/** Yields every live copy of a pack that can be read. A copy with bad bytes is marked and moves
 *  unchanged: moving it makes nothing worse, and the rest of it may still be readable. A copy
 *  that cannot be read is marked and stays. */
export async function* readCopies(
  ports: LifecyclePorts,
  pack: PackOccupancy,
): AsyncGenerator<ReadCopy> {
  for await (const page of copyPages(ports.metadata, pack.id))
    for (const group of groupsOf(page, fits)) yield* readGroup(ports, pack.name, group)
}

/** Whether one read covers them all; a large copy is a group of its own. */
function fits([first]: readonly [PackedCopy, ...PackedCopy[]], copy: PackedCopy): boolean {
  return copy.offset + copy.lengthBytes - first.offset <= limits.compactReadBytes
}

async function* readGroup(
  ports: LifecyclePorts,
  packName: string,
  group: [PackedCopy, ...PackedCopy[]],
): AsyncGenerator<ReadCopy> {
  const [first] = group
  const last = group.at(-1)!
  const lengthBytes = last.offset + last.lengthBytes - first.offset
  if (lengthBytes > limits.compactReadBytes) {
    if (await isReadable(ports, packName, first)) {
      yield { copy: first, body: readInPages(ports, packName, first) }
    }
    return
  }
  const bodies = await readNeighbours(ports.packs, packName, group)
  for (const [index, copy] of group.entries()) {
    const body = bodies[index]
    if (body === undefined) await markDamaged(ports, packName, copy)
    else yield await judge(ports, packName, copy, body)
  }
}

/** The copy with its bytes; marks it when they are bad. */
async function judge(
  ports: LifecyclePorts,
  packName: string,
  copy: PackedCopy,
  body: Buffer,
): Promise<ReadCopy> {
  const damaged = !arePagesIntact(copy.checks, 0, body)
  if (damaged && !copy.damaged) await markDamaged(ports, packName, copy)
  return { copy: { ...copy, damaged }, body }
}

async function markDamaged(
  { metadata }: LifecyclePorts,
  packName: string,
  { streamId, offset }: PackedCopy,
): Promise<void> {
  await metadata.markDamaged({ streamId, packName, offset })
}

/** Reads a large copy once to check that all of it can be read, before it is appended to a pack. */
async function isReadable(
  ports: LifecyclePorts,
  packName: string,
  copy: PackedCopy,
): Promise<boolean> {
  let isBad = false
  for (const { at, lengthBytes } of pagesOf(copy.lengthBytes, limits.checkPageBytes)) {
    const page = await readOr(ports.packs, packName, { offset: copy.offset + at, lengthBytes })
    if (page === undefined) {
      await markDamaged(ports, packName, copy)
      return false
    }
    isBad ||= !arePagesIntact(copy.checks, at / limits.checkPageBytes, page)
  }
  if (isBad && !copy.damaged) await markDamaged(ports, packName, copy)
  return true
}

async function* readInPages(
  { packs }: LifecyclePorts,
  packName: string,
  { offset, lengthBytes }: PackedCopy,
): AsyncGenerator<Buffer> {
  for (const page of pagesOf(lengthBytes, limits.checkPageBytes))
    yield await packs.read(packName, offset + page.at, page.lengthBytes)
}
