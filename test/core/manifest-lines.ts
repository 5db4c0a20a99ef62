import type { ManifestLines } from '../../src/core/manifest/manifest-changes.ts'

export function linesOf(text: Buffer): ManifestLines {
  const starts = [0]
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1))
    starts.push(end + 1)
  return { text, starts: Uint32Array.from(starts) }
}
