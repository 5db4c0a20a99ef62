/** Runs `@actions/glob` in a worker thread: it prints a `::debug::` line on standard output for every step it takes,
 *  and standard output belongs to the program's results. The thread's own output is caught by its owner. */
import { createHash } from 'node:crypto'
import fs, { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { create } from '@actions/glob'
import { answerRequests } from '../worker-thread.ts'
import type { GlobAnswer, GlobRequest } from './glob.ts'

async function search(
  request: Extract<GlobRequest, { kind: 'search' }>,
  signal: AbortSignal,
): Promise<GlobAnswer> {
  // The options of actions/upload-artifact.
  const globber = await create(request.patterns, {
    followSymbolicLinks: true,
    implicitDescendants: true,
    omitBrokenSymbolicLinks: true,
    excludeHiddenFiles: !request.includeHidden,
  })
  const searchPaths = globber.getSearchPaths()
  const files: string[] = []
  for await (const path of globber.globGenerator()) {
    signal.throwIfAborted()
    if (await isFile(path)) files.push(path)
  }
  const below = (path: string): boolean => searchPaths.some((searched) => path.startsWith(searched))
  const ours = [...lost].filter(below)
  for (const path of ours) lost.delete(path)
  return { kind: 'search', files, searchPaths, lost: ours }
}

/** Paths that a search came to and that are not there, although their directory lists them: a name that is not UTF-8 was
 *  read with U+FFFD in it. The library takes them for broken links and passes over them. */
const lost = new Set<string>()
const { stat } = fs.promises
fs.promises.stat = (async (path: string): Promise<fs.Stats> => {
  try {
    return await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && path.includes('\u{fffd}'))
      lost.add(path)
    throw error
  }
}) as typeof stat

/** As the library's `hashFiles` does, which would wait at a pipe without end, and cannot be stopped. */
async function hashFiles(
  { patterns, directory, followSymbolicLinks }: Extract<GlobRequest, { kind: 'hash' }>,
  signal: AbortSignal,
): Promise<GlobAnswer> {
  const globber = await create(patterns, { followSymbolicLinks })
  const all = createHash('sha256')
  let count = 0
  for await (const path of globber.globGenerator()) {
    signal.throwIfAborted()
    if (!path.startsWith(`${directory}/`) || !(await isFile(path))) continue
    const hash = createHash('sha256')
    await pipeline(createReadStream(path), hash, { signal })
    all.update(hash.digest())
    count += 1
  }
  return { kind: 'hash', hash: count === 0 ? '' : all.digest('hex') }
}

/** False for a directory. Throws an Error for what has no content of its own: reading it may have no end. */
async function isFile(path: string): Promise<boolean> {
  const facts = await stat(path)
  if (facts.isFile()) return true
  if (facts.isDirectory()) return false
  const kind = facts.isFIFO() ? 'a pipe' : facts.isSocket() ? 'a socket' : 'a device'
  throw new Error(`${path} is ${kind}, not a file`)
}

await answerRequests<GlobRequest, GlobAnswer>(() => ({
  answer: (request, { stop }) =>
    request.kind === 'hash' ? hashFiles(request, stop.signal) : search(request, stop.signal),
}))
