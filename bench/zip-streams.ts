/** Finds the compressed members of a zip with an independent reader: what whole-file deduplication
 *  would have to keep. */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import yauzl from 'yauzl'

/** Adds the distinct streams of the zip at `path` to `unique`: SHA-256 → length. The zip must fit
 *  into memory. */
export async function collectStreams(path: string, unique: Map<string, number>): Promise<void> {
  const bytes = await readFile(path)
  const zip = await yauzl.openPromise(path)
  try {
    for await (const entry of zip.eachEntry()) {
      // APPNOTE 4.3.7: the member's data follow a header of 30 bytes, the name and the extra field.
      const header = entry.relativeOffsetOfLocalHeader
      const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28)
      const stream = bytes.subarray(start, start + entry.compressedSize)
      unique.set(hash('sha256', stream, 'hex'), stream.length)
    }
  } finally {
    zip.close()
  }
}
