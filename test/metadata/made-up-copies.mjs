/** Copies of blobs without any bytes stored. */
import { crc32 } from 'node:zlib'
import { digestOf } from '../../dist/src/core/bytes/digest.js'

export function copyOf(content, index = 0) {
  const bytes = Buffer.from(content)
  return {
    blob: { digest: digestOf(bytes), sizeBytes: bytes.length, crc32: crc32(bytes) },
    streamDigest: digestOf(`stream ${content}`),
    codec: 'joining',
    offset: index * 100,
    lengthBytes: 10,
    checks: Buffer.alloc(4),
  }
}
