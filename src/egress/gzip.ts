/** The frame of a gzip member. RFC 1952 §2.3. */

/** Magic, deflate, no flags, no time, no hint, unknown system: the same for every member. */
export const gzipHeader: Buffer = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])

/** CRC-32 and length (modulo 2^32) of the content. */
export function gzipTrailer(crc32: number, sizeBytes: number): Buffer {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32, 0)
  trailer.writeUInt32LE(sizeBytes % 2 ** 32, 4)
  return trailer
}
