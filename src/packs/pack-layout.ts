/** What a CAS directory and a bucket have in common, so that either can be copied to the other. */
import assert from 'node:assert'
import type { PackName } from './pack-store.ts'

/** What `format` holds, in a directory and in a bucket. A change of layout that an older program would misread gets another number. */
export const packFormat = 'trove-cas 1\n'

/** From the CAS directory, or in a bucket. */
export function sealedPackPath(name: PackName): string {
  return `packs/${name.slice(0, 2)}/${name}.zip`
}

/** A name becomes a path, so anything but 32 hex characters is a bug worth stopping at. */
export function checkPackName(name: PackName): void {
  assert(
    /^[0-9a-f]{32}$/.test(name),
    `a pack name is 32 hex characters, got ${JSON.stringify(name)}`,
  )
}

/** A negative position would mean "wherever the file is" to the system. */
export function checkSlice(offset: number, lengthBytes: number): void {
  assert(
    offset >= 0 && lengthBytes >= 0,
    `a slice is at 0 or later, got ${lengthBytes} bytes at ${offset}`,
  )
}
