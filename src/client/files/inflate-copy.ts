/** Inflates stored streams in a worker thread that writes files. The content goes into a buffer
 *  that is reused by every call: one buffer per file would pile up outside the heap until the
 *  next collection. */
import type { CopyCodec } from '../../core/bytes/copy.ts'
import { decodeCopy, decodeJoining } from '../../packs/codec/codec.ts'

let room = Buffer.alloc(0)

/** Returns the content of a copy; valid until the next call. Errors: blob_damaged. */
export function inflateCopy(codec: CopyCodec, stored: Uint8Array, sizeBytes: number): Buffer {
  if (codec !== 'joining') return decodeCopy(codec, stored, sizeBytes)
  if (room.length <= sizeBytes) room = Buffer.allocUnsafeSlow(Math.max(1024 * 1024, 2 * sizeBytes))
  return decodeJoining(room, stored, sizeBytes)
}
