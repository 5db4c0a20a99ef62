/** Reads the live copies of a pack in order to write them elsewhere. Neighbours are read
 *  together; a large copy in pages. */
import { storeError } from '../../core/errors.ts'
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
 *  that cannot be read is marked and stays. Errors: blob_damaged, from the body of a large copy. */
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
    const damaged = await isLargeDamaged(ports, packName, first)
    if (damaged === undefined) return
    yield { copy: { ...first, damaged }, body: readInPages(ports, packName, first, { damaged }) }
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
  const whole = { at: 0, lengthBytes: copy.lengthBytes }
  const isIntact = arePagesIntact(copy.checks, 0, body)
  const read = isIntact ? { bytes: body, isIntact } : await readPage(ports, packName, copy, whole)
  const damaged = read?.isIntact !== true
  if (damaged) await markDamaged(ports, packName, copy)
  return { copy: { ...copy, damaged }, body: read?.bytes ?? body }
}

/** Does nothing for a copy that is known to be bad: a lost pack can hold thousands, and every round
 *  comes by. */
async function markDamaged(
  { metadata }: LifecyclePorts,
  packName: string,
  { streamId, offset, damaged }: PackedCopy,
): Promise<void> {
  if (!damaged) await metadata.markDamaged({ streamId, packName, offset })
}

/** Whether a large copy has bad bytes; marks it then. Undefined when it cannot be read. It is read
 *  once for this before it is appended to a pack. */
async function isLargeDamaged(
  ports: LifecyclePorts,
  packName: string,
  copy: PackedCopy,
): Promise<boolean | undefined> {
  let damaged = false
  for (const page of pagesOf(copy.lengthBytes, limits.checkPageBytes)) {
    const read = await readPage(ports, packName, copy, page)
    if (read === undefined) {
      await markDamaged(ports, packName, copy)
      return undefined
    }
    damaged ||= !read.isIntact
  }
  if (damaged) await markDamaged(ports, packName, copy)
  return damaged
}

/** Yields the bytes of a large copy. Errors: blob_damaged, when they were sound at first. */
async function* readInPages(
  ports: LifecyclePorts,
  packName: string,
  copy: PackedCopy,
  { damaged }: { damaged: boolean },
): AsyncGenerator<Buffer> {
  for (const page of pagesOf(copy.lengthBytes, limits.checkPageBytes)) {
    const read = await readPage(ports, packName, copy, page)
    if (read === undefined || (!read.isIntact && !damaged)) {
      const reason = `a copy in pack ${packName} at ${copy.offset} was sound a moment ago`
      throw storeError('blob_damaged', reason, { digest: copy.blob.digest, paths: [] })
    }
    yield read.bytes
  }
}

/** Reads some pages of a copy, and again if their bytes are bad: a copy that moves gives up its
 *  old place, where the medium may be better than one read of it. Undefined when they cannot be
 *  read. */
async function readPage(
  { packs }: LifecyclePorts,
  packName: string,
  { offset, checks }: PackedCopy,
  { at, lengthBytes }: { at: number; lengthBytes: number },
): Promise<{ bytes: Buffer; isIntact: boolean } | undefined> {
  const read = async (): Promise<{ bytes: Buffer; isIntact: boolean } | undefined> => {
    const bytes = await readOr(packs, packName, { offset: offset + at, lengthBytes })
    return bytes && { bytes, isIntact: arePagesIntact(checks, at / limits.checkPageBytes, bytes) }
  }
  const first = await read()
  return first?.isIntact === false ? ((await read()) ?? first) : first
}
