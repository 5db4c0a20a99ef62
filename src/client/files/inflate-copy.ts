/** Inflating of stored streams in a thread that writes files. The content lies in a buffer that is kept from call to call:
 *  one for each file would pile up outside of the heap until the next collection. */
import type { CopyCodec } from '../../core/copy.ts'
import { decodeCopy, decodeJoining } from '../../packs/codec.ts'

let room = Buffer.alloc(0)

/** The content of a copy, until the next call. Errors: blob_damaged. */
export function inflateCopy(codec: CopyCodec, stored: Uint8Array, sizeBytes: number): Buffer {
  if (codec !== 'joining') return decodeCopy(codec, stored, sizeBytes)
  if (room.length <= sizeBytes) room = Buffer.allocUnsafeSlow(Math.max(1024 * 1024, 2 * sizeBytes))
  return decodeJoining(room, stored, sizeBytes)
}
