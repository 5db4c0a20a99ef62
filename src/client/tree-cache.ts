/** The tree that a directory was brought to the last time, so that the next download is sent only what is different.
 *
 *    trove tree 1 ARTIFACT-ID URL
 *    canonical text (core/manifest.ts) without its first line
 *
 *  It is only a cache: what comes of one that is damaged has another digest, and is fetched whole. */
import { readCacheFile, replaceCacheFile } from './cache-files.ts'

export interface KnownTree {
  artifactId: number
  /** Canonical text without its first line. */
  text: Buffer
}

/** Trees of fewer bytes are fetched as fast as they are found. */
const bytesMin = 16 * 1024

/** Null when nothing is known of a tree of the server at `url`. */
export function readTreeCache(path: string | null, url: string): KnownTree | null {
  const bytes = readCacheFile(path)
  if (bytes === undefined) return null
  const headEnd = bytes.indexOf(0x0a)
  const head = bytes.toString('utf8', 0, Math.max(0, headEnd))
  const [, id] = /^trove tree 1 ([0-9]{1,15}) /.exec(head) ?? []
  if (id === undefined || head !== headOf(Number(id), url)) return null
  return { artifactId: Number(id), text: bytes.subarray(headEnd + 1) }
}

function headOf(artifactId: number, url: string): string {
  return `trove tree 1 ${artifactId} ${url}`
}

/** Never fails: the next download then fetches the whole tree. */
export function saveTreeCache(
  path: string | null,
  { artifactId, url, text }: { artifactId: number; url: string; text: readonly Buffer[] },
): void {
  if (path === null || text.reduce((sum, each) => sum + each.length, 0) < bytesMin) return
  try {
    replaceCacheFile(path, [Buffer.from(`${headOf(artifactId, url)}\n`), ...text])
  } catch {
    // Said above.
  }
}
