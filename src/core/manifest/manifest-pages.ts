/** The pages of a manifest, which are also those of the times of its entries. */
import { limits } from '../limits.ts'

/** Yields each page of `entryCount` entries: its number, the ordinal of its first entry, and how
 *  many it has. */
export function* manifestPages(
  entryCount: number,
): Generator<{ page: number; first: number; count: number }> {
  const size = limits.manifestPageEntries
  for (let page = 0; page * size < entryCount; page++) {
    const first = page * size
    yield { page, first, count: Math.min(size, entryCount - first) }
  }
}
