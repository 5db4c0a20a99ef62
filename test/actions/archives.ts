/** Zips as a stock client writes them, near enough for the server: made by an independent writer. */
import { zipSync } from 'fflate'

/** A zip of text files. `level` 0 stores. */
export function zipOf(files: Record<string, string | Uint8Array>, level: 0 | 6 = 6): Buffer {
  const entries = Object.fromEntries(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === 'string' ? Buffer.from(content) : content,
    ]),
  )
  return Buffer.from(zipSync(entries, { level, mtime: new Date('2026-01-02T03:04:06Z') }))
}

/** Bytes that do not deflate, the same for the same seed. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let state = seed >>> 0
  for (let at = 0; at < sizeBytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
