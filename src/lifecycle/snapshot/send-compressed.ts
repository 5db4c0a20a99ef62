/** Sends an object to the bucket, compressed with gzip. It is invisible until it is complete. */
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { createS3Sink } from '../../packs/s3/s3-sink.ts'

export interface CompressedObject {
  key: string
  source: AsyncIterable<Buffer> | Iterable<Buffer>
  signal?: AbortSignal | undefined
  /** Called with the number of each further bytes that were compressed. */
  onCompressed?: ((bytes: number) => void) | undefined
  /** Called when all but the last bytes are sent; if it fails, there is no object. */
  beforeEnd?: () => Promise<void>
}

/** zlib's level. Manifests are deflated already: 6 takes 1.7 times as long for 2 %. */
const compressionLevel = 1
/** At that level zlib makes zeros 229 times shorter, and nothing more than that. */
export const compressionRatioMax = 256

/** Returns the number of bytes sent. Errors: those of the bucket, of the source and of
 *  `beforeEnd`. */
export async function sendCompressed(
  bucket: Bucket,
  { key, source, signal, onCompressed, beforeEnd }: CompressedObject,
): Promise<number> {
  // Changes are sent again under the same key.
  const sink = createS3Sink({ name: key, key, bucket, removesDoubtful: false })
  try {
    await pipeline(
      source,
      createGzip({ level: compressionLevel, chunkSize: 256 * 1024 }),
      async (pieces: AsyncIterable<Buffer>) => {
        for await (const piece of pieces) {
          await sink.write(piece)
          onCompressed?.(piece.length)
        }
      },
      { signal },
    )
    await beforeEnd?.()
    return (await sink.seal()).sizeBytes
  } catch (error) {
    await sink.abort()
    throw error
  }
}
