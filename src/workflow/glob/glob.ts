/** Finds files by pattern with `@actions/glob`, in a worker thread that starts on first use. */
import { startThread } from '../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../worker-thread.ts'
import { absolutePatterns, type PatternRoots } from './glob-patterns.ts'

/** Patterns are absolute, one per line. */
export type GlobRequest =
  | { kind: 'search'; patterns: string; includeHidden: boolean }
  | { kind: 'hash'; patterns: string; directory: string; followSymbolicLinks: boolean }

/** A hash is text. */
export type GlobAnswer = SearchResult | string

export interface SearchResult {
  /** Absolute paths of the matching files, without directories. */
  files: string[]
  /** The literal prefixes of the patterns, none inside another. */
  searchPaths: string[]
  /** Paths that contain a name that is not UTF-8 and so cannot be opened, as far as they can be
   *  shown. */
  unreadable: string[]
}

export interface Globber {
  /** Finds files as actions/upload-artifact does. Rejects when a match is a pipe, a socket or a
   *  device. */
  search(
    patterns: string,
    roots: PatternRoots & { includeHidden: boolean },
    signal: AbortSignal,
  ): Promise<SearchResult>
  /** The `hashFiles` function: SHA-256 of the files' SHA-256, '' when nothing matches. Files
   *  outside `roots.directory` are ignored. If the first pattern is `--follow-symbolic-links`, it
   *  is an option, as on a runner. */
  hashFiles(patterns: string[], roots: PatternRoots, signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

export function createGlobber(): Globber {
  let thread: ThreadClient<GlobRequest, GlobAnswer> | undefined
  const start = (): ThreadClient<GlobRequest, GlobAnswer> => {
    const worker = startThread('workflow/glob/glob-worker.ts', {
      heapMiB: { old: 512, young: 12 },
      stdout: true,
    })
    worker.stdout.resume()
    const started = createThreadClient<GlobRequest, GlobAnswer>(worker, 'glob')
    void started.died.then(() => {
      thread = undefined
    })
    return started
  }
  const ask = async <Answer extends GlobAnswer>(
    request: GlobRequest,
    signal: AbortSignal,
  ): Promise<Answer> => (await (thread ??= start()).request(request, { signal })) as Answer

  return {
    search: async (patterns, { includeHidden, ...roots }, signal) => {
      const absolute = absolutePatterns(patterns, roots)
      return await ask({ kind: 'search', patterns: absolute, includeHidden }, signal)
    },
    hashFiles: async (patterns, roots, signal) => {
      const followSymbolicLinks = patterns[0] === '--follow-symbolic-links'
      const text = (followSymbolicLinks ? patterns.slice(1) : patterns).join('\n')
      const { directory } = roots
      const absolute = absolutePatterns(text, roots)
      return await ask({ kind: 'hash', patterns: absolute, directory, followSymbolicLinks }, signal)
    },
    close: async () => {
      await thread?.terminate()
      thread = undefined
    },
  }
}
