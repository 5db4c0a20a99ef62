/** The layout that a CAS directory and a bucket share, so that packs can be copied from one to the
 *  other. */
import assert from 'node:assert'
import type { PackName } from './pack-store.ts'

/** Content of the `format` file or object. A change of layout that an older program would misread
 *  gets another number. */
export const packFormat = 'trove-cas 1\n'
/** Name of the file, or key of the object. */
export const formatName = 'format'

/** Path relative to the CAS directory, or key in a bucket. */
export function sealedPackPath(name: PackName): string {
  return `packs/${name.slice(0, 2)}/${name}.zip`
}

/** A pack name becomes a path, so anything but 32 hex characters is a bug worth stopping at. */
export function checkPackName(name: PackName): void {
  assert(
    /^[0-9a-f]{32}$/.test(name),
    `a pack name must be 32 hex characters, got ${JSON.stringify(name)}`,
  )
}

/** The system takes a negative position to mean the file's current one. */
export function checkSlice(offset: number, lengthBytes: number): void {
  assert(
    offset >= 0 && lengthBytes >= 0,
    `offset and length must not be negative, got ${lengthBytes} bytes at ${offset}`,
  )
}
