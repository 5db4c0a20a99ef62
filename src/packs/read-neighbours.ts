/** Reads nearby copies of a pack together. */
import { hasCode } from '../core/errors.ts'
import type { PackName, PackStore } from './pack-store.ts'

export interface PackRange {
  offset: number
  lengthBytes: number
}

/** Returns the bytes of each place, by one read if possible. If that fails, reads each alone,
 *  because one bad sector must not lose its neighbours; places that cannot be read, or all when the
 *  pack is lost, are undefined. `places` must be in ascending order, and the last must end last. */
export async function readNeighbours(
  store: Pick<PackStore, 'read'>,
  packName: PackName,
  places: readonly PackRange[],
): Promise<(Buffer | undefined)[]> {
  const first = places[0]
  const last = places.at(-1)
  if (first === undefined || last === undefined) return []
  const lengthBytes = last.offset + last.lengthBytes - first.offset
  const bytes = await readOr(store, packName, { offset: first.offset, lengthBytes })
  if (bytes === undefined) {
    if (places.length === 1) return [undefined]
    const alone: (Buffer | undefined)[] = []
    for (const place of places) alone.push(await readOr(store, packName, place))
    return alone
  }
  return places.map(({ offset, lengthBytes: own }) => {
    const at = offset - first.offset
    return bytes.subarray(at, at + own)
  })
}

/** Returns the bytes, or undefined when the medium cannot read them or the pack is lost. `into` is
 *  memory that the store may use. */
export async function readOr(
  store: Pick<PackStore, 'read'>,
  packName: PackName,
  { offset, lengthBytes, into }: PackRange & { into?: Buffer | undefined },
): Promise<Buffer | undefined> {
  try {
    return await store.read(packName, offset, lengthBytes, into)
  } catch (error) {
    if (hasCode(error, 'blob_damaged', 'not_found')) return undefined
    throw error
  }
}
