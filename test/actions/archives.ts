/** Zips similar to those of a stock client, written by an independent library. */
import { zipSync } from 'fflate'

/** Builds a zip of text files. `level` 0 stores them. */
export function zipOf(files: Record<string, string | Uint8Array>, level: 0 | 6 = 6): Buffer {
  const entries = Object.fromEntries(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === 'string' ? Buffer.from(content) : content,
    ]),
  )
  return Buffer.from(zipSync(entries, { level, mtime: new Date('2026-01-02T03:04:06Z') }))
}

/** Returns incompressible bytes, always the same for a seed. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let state = seed >>> 0
  for (let at = 0; at < sizeBytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
