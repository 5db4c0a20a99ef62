/** What a stored stream and its content are, found in one pass over a stream of any size. */
import type { CopyCodec, NewCopy } from '../core/bytes/copy.ts'
import { crc32 } from '../core/bytes/crc32.ts'
import { createDigestHasher } from '../core/bytes/digest.ts'
import { inflateStream } from './codec/codec.ts'
import { createCheckWriter } from './format/page-checks.ts'

/** Errors of `stream` pass through. Errors: blob_damaged, when it does not decode to exactly
 *  `sizeBytes`. */
export async function inspectStream(
  codec: CopyCodec,
  stream: AsyncIterable<Buffer>,
  sizeBytes: number,
): Promise<Pick<NewCopy, 'blob' | 'streamDigest' | 'checks'>> {
  const stored = createDigestHasher()
  const checks = createCheckWriter()
  const content = createDigestHasher()
  let crc = 0
  const passed = async function* (): AsyncGenerator<Buffer> {
    for await (const page of stream) {
      stored.update(page)
      checks.write(page)
      yield page
    }
  }
  for await (const piece of inflateStream(codec, passed(), sizeBytes)) {
    content.update(piece)
    crc = crc32(piece, crc)
  }
  return {
    blob: { digest: content.digest(), sizeBytes, crc32: crc },
    streamDigest: stored.digest(),
    checks: checks.finish(),
  }
}
