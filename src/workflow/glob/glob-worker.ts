/** Runs `@actions/glob` in a worker thread. The library prints a `::debug::` line to standard
 *  output for every step, and standard output is reserved for the program's results; the owner
 *  captures the thread's own output. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, hash } from 'node:crypto'
import fs, { createReadStream, readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { create } from '@actions/glob'
import { errorCodeOf } from '../../core/errors.ts'
import { answerRequests } from '../../worker-thread.ts'
import type { GlobAnswer, GlobRequest, SearchResult } from './glob.ts'

async function search(
  request: Extract<GlobRequest, { kind: 'search' }>,
  signal: AbortSignal,
): Promise<SearchResult> {
  // The options of actions/upload-artifact.
  const globber = await create(request.patterns, {
    followSymbolicLinks: true,
    implicitDescendants: true,
    omitBrokenSymbolicLinks: true,
    excludeHiddenFiles: !request.includeHidden,
  })
  const searchPaths = globber.getSearchPaths()
  const files: string[] = []
  const unreadable = new Set<string>()
  await unreadableOfSearch.run(unreadable, async () => {
    for await (const path of globber.globGenerator()) {
      signal.throwIfAborted()
      if ((await fileSizeOf(path)) !== undefined) files.push(path)
    }
  })
  return { files, searchPaths, unreadable: [...unreadable] }
}

/** Paths that the current search found in a directory listing but could not stat: a name that is
 *  not UTF-8 was decoded with U+FFFD. The library takes them for broken links and skips them. */
const unreadableOfSearch = new AsyncLocalStorage<Set<string>>()
const { stat } = fs.promises
fs.promises.stat = (async (path: string): Promise<fs.Stats> => {
  try {
    return await stat(path)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT' && path.includes('\u{fffd}'))
      unreadableOfSearch.getStore()?.add(path)
    throw error
  }
}) as typeof stat

/** Same result as the library's `hashFiles`, which blocks on a named pipe and cannot be
 *  cancelled. */
async function hashFiles(
  { patterns, directory, followSymbolicLinks }: Extract<GlobRequest, { kind: 'hash' }>,
  signal: AbortSignal,
): Promise<string> {
  const globber = await create(patterns, { followSymbolicLinks })
  const all = createHash('sha256')
  let count = 0
  for await (const path of globber.globGenerator()) {
    signal.throwIfAborted()
    if (!path.startsWith(`${directory}/`)) continue
    const sizeBytes = await fileSizeOf(path)
    if (sizeBytes === undefined) continue
    all.update(await digestOf(path, sizeBytes, signal))
    count += 1
  }
  return count === 0 ? '' : all.digest('hex')
}

/** Small files are read at once: a stream takes ten times as long, so that 300,000 files took five
 *  minutes. */
async function digestOf(path: string, sizeBytes: number, signal: AbortSignal): Promise<Buffer> {
  if (sizeBytes <= smallFileBytesMax) return hash('sha256', readFileSync(path), 'buffer')
  const hasher = createHash('sha256')
  await pipeline(createReadStream(path), hasher, { signal })
  return hasher.digest()
}

const smallFileBytesMax = 1024 * 1024

/** Returns undefined for a directory. Throws an Error for pipes, sockets and devices: reading them
 *  may never end. */
async function fileSizeOf(path: string): Promise<number | undefined> {
  const stats = await stat(path)
  if (stats.isFile()) return stats.size
  if (stats.isDirectory()) return undefined
  const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a device'
  throw new Error(`${path} is ${kind}, not a regular file`)
}

await answerRequests<GlobRequest, GlobAnswer>(() => ({
  answer: (request, { stop }) =>
    request.kind === 'hash' ? hashFiles(request, stop.signal) : search(request, stop.signal),
}))
