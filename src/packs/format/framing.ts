/** Checks the parts of a pack that are not copies: headers, names, final blocks, lists, directory,
 *  end record. The store never reads them, but `unzip` does, and so does a rebuild of a lost
 *  database from packs. */
import { joiningEnd } from '../../core/bytes/copy.ts'
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { localHeaderBytes } from '../../core/zip/zip-encoder.ts'
import { readPackMembers, withCopies } from './pack-directory.ts'
import { encodeLocalHeader } from './pack-records.ts'
import type { PackName, PackStore } from '../pack-store.ts'

/** Finds what is wrong with the framing of a sealed pack of `sizeBytes`; null when nothing is.
 *  `unended` holds the offsets of joining streams that are not followed by a final block, which is
 *  correct only where another stream of the same member follows.
 *  Errors: not_found. */
export async function findFramingFault(
  store: Pick<PackStore, 'read'>,
  name: PackName,
  sizeBytes: number,
  unended: ReadonlySet<number>,
): Promise<string | null> {
  const readAt = createWindow(store, name, sizeBytes)
  const members = readPackMembers(store, name, sizeBytes)
  try {
    for await (const { member, kind } of withCopies(store, name, members)) {
      const { offset } = member
      const expected = Buffer.alloc(localHeaderBytes(member))
      encodeLocalHeader(expected, 0, member)
      const actual = await readAt(offset - expected.length, expected.length)
      if (!actual.equals(expected)) return `pack ${name} has a bad header before offset ${offset}`
      const endAt = offset + member.storedBytes - joiningEnd.length
      const isEnded =
        kind === 'joined'
          ? (await readAt(endAt, joiningEnd.length)).equals(joiningEnd)
          : !unended.has(offset)
      if (!isEnded) return `pack ${name} lacks a final block before offset ${endAt}`
    }
    return null
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return error.message
    throw error
  }
}

/** Returns a function for short forward reads that serves several nearby ones from one store
 *  read. */
function createWindow(
  store: Pick<PackStore, 'read'>,
  name: PackName,
  sizeBytes: number,
): (offset: number, lengthBytes: number) => Promise<Buffer> {
  let start = 0
  let window: Buffer = Buffer.alloc(0)
  return async (offset, lengthBytes) => {
    if (offset < start || offset + lengthBytes > start + window.length) {
      start = offset
      const wanted = Math.max(lengthBytes, limits.stagedWindowBytes)
      window = await store.read(name, offset, Math.min(wanted, sizeBytes - offset))
    }
    return window.subarray(offset - start, offset - start + lengthBytes)
  }
}
