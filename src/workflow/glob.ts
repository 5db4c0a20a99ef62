/** Finding files by pattern: `@actions/glob`, kept in a worker thread that starts with the first question. */
import type { Worker } from 'node:worker_threads'
import { startThread } from '../program-files.ts'
import { absolutePatterns, type PatternRoots } from './glob-patterns.ts'

/** Patterns are absolute, one a line. */
export type GlobRequest =
  | { kind: 'search'; patterns: string; includeHidden: boolean }
  | { kind: 'hash'; patterns: string; directory: string; followSymbolicLinks: boolean }

export type GlobAnswer =
  | { kind: 'search'; files: string[]; searchPaths: string[] }
  | { kind: 'hash'; hash: string }

export interface SearchResult {
  /** Absolute paths of the files (no directories) that match. */
  files: string[]
  /** The literal beginnings of the patterns, none below another. */
  searchPaths: string[]
}

export interface Globber {
  /** Finds files as actions/upload-artifact does. */
  search(patterns: string, roots: PatternRoots & { includeHidden: boolean }): Promise<SearchResult>
  /** The `hashFiles` function: SHA-256 of the files' SHA-256, '' when nothing matches. Files outside
   *  `roots.directory` do not count. A first pattern `--follow-symbolic-links` is an option, as on a runner. */
  hashFiles(patterns: string[], roots: PatternRoots): Promise<string>
  close(): Promise<void>
}

interface Waiting {
  resolve: (answer: GlobAnswer) => void
  reject: (error: Error) => void
}

export function createGlobber(): Globber {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let nextId = 0

  const start = (): Worker => {
    const started = startThread('workflow/glob-worker.ts', { stdout: true })
    started.stdout.resume()
    started.unref()
    started.on('message', (message: { id: number; result?: GlobAnswer; error?: string }) => {
      const asked = waiting.get(message.id)
      waiting.delete(message.id)
      if (waiting.size === 0) started.unref()
      if (message.result === undefined) asked?.reject(new Error(message.error))
      else asked?.resolve(message.result)
    })
    started.on('error', (error: Error) => {
      worker = undefined
      for (const asked of waiting.values()) asked.reject(error)
      waiting.clear()
    })
    return started
  }
  const ask = async (request: GlobRequest): Promise<GlobAnswer> => {
    worker ??= start()
    const id = nextId++
    worker.ref()
    const answer = new Promise<GlobAnswer>((resolve, reject) =>
      waiting.set(id, { resolve, reject }),
    )
    worker.postMessage({ id, request })
    return await answer
  }

  return {
    search: async (patterns, { includeHidden, ...roots }) => {
      const answer = await ask({
        kind: 'search',
        patterns: absolutePatterns(patterns, roots),
        includeHidden,
      })
      if (answer.kind !== 'search') throw new TypeError('a search was answered with a hash')
      return { files: answer.files, searchPaths: answer.searchPaths }
    },
    hashFiles: async (patterns, roots) => {
      const followSymbolicLinks = patterns[0] === '--follow-symbolic-links'
      const text = (followSymbolicLinks ? patterns.slice(1) : patterns).join('\n')
      const { directory } = roots
      const answer = await ask({
        kind: 'hash',
        patterns: absolutePatterns(text, roots),
        directory,
        followSymbolicLinks,
      })
      if (answer.kind !== 'hash') throw new TypeError('a hash was answered with a search')
      return answer.hash
    },
    close: async () => {
      await worker?.terminate()
      worker = undefined
    },
  }
}
