/** A file of any size whose bytes are generated on read: the same 1 MiB of noise repeated, so that
 *  every check page is the same and nothing is held. */
import { randomFillSync } from 'node:crypto'
import type { BlobPlacement, CopyCodec } from '../../src/core/bytes/copy.ts'
import { combineCrc32, crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { parseEntryPath } from '../../src/core/manifest/entry.ts'
import type { StoredFile } from '../../src/metadata/metadata.ts'

const pageBytes = 1024 * 1024
const noise = randomFillSync(Buffer.alloc(pageBytes))
const noiseCrc = crc32(noise)

/** Returns the bytes of the file from `offset` on. */
export function endlessBytes(offset: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  for (let at = 0; at < lengthBytes;) at += noise.copy(bytes, at, (offset + at) % pageBytes)
  return bytes
}

/** The file as an entry with one `stored` copy, which is the entire pack `endless`. */
export function endlessFile(
  path: string,
  sizeBytes: number,
  codec: CopyCodec = 'stored',
): StoredFile {
  const pages = Math.floor(sizeBytes / pageBytes)
  const rest = noise.subarray(0, sizeBytes % pageBytes)
  const checks = Buffer.alloc(4 * (pages + 1))
  let crc = 0
  for (let page = 0; page < pages; page++) {
    checks.writeUInt32LE(noiseCrc, 4 * page)
    crc = combineCrc32(crc, noiseCrc, pageBytes)
  }
  checks.writeUInt32LE(crc32(rest), 4 * pages)
  crc = combineCrc32(crc, crc32(rest), rest.length)
  const digest = digestOf(`endless ${sizeBytes}`)
  const copy = {
    streamId: 999_999,
    codec,
    packName: 'endless',
    offset: 0,
    lengthBytes: sizeBytes,
    checks,
    damaged: false,
  }
  const blob: BlobPlacement = {
    blobId: 999_999,
    digest,
    sizeBytes,
    crc32: crc,
    copy,
    partCount: 0,
    joinedBytes: sizeBytes,
  }
  return { kind: 'file', path: parseEntryPath(path), mode: 0o644, digest, sizeBytes, blob }
}
