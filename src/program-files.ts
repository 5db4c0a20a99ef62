/** Locates the program's own files and the user's home. The build bundles modules into few files
 *  (`bundle.mjs`), so a module cannot use paths relative to itself, only paths below `src/` or
 *  `dist/src/`. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { Worker, type WorkerOptions } from 'node:worker_threads'

const url = import.meta.url
const folder = '/src/'

/** `src/` when running from source (tests), else `dist/src/`. */
export const programRoot = new URL(url.slice(0, url.lastIndexOf(folder) + folder.length))

/** Root of the compiled modules. Node 20 cannot run TypeScript, so threads run compiled code
 *  (`npm run build`) even when the main thread runs from source. */
export const builtRoot = url.endsWith('.ts') ? new URL('../dist/src/', programRoot) : programRoot

/** Returns the URL of the compiled form of a module. `path` is that of its source, relative to
 *  `src/`. */
export function builtUrl(path: string): URL {
  return new URL(path.replace(/\.ts$/, '.js'), builtRoot)
}

/** The version in `package.json`, two folders above `dist/src/` and one above `src/`. */
export function readProgramVersion(): string {
  const path = new URL(url.endsWith('.ts') ? '../package.json' : '../../package.json', programRoot)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

/** Null when there is none: HOME is unset and the user id has no passwd entry, as in containers. */
export function homeDirectory(): string | null {
  try {
    return homedir() || null
  } catch {
    return null
  }
}

interface ThreadOptions extends Pick<WorkerOptions, 'name' | 'workerData' | 'stdout'> {
  /** Upper bounds of the two generations of the heap. Buffers live outside and are freed with the
   *  objects that hold them, so a young generation that is small, and collected often, keeps dead
   *  ones from piling up. `cli/program.ts` makes these bounds effective. */
  heapMiB: { old: number; young: number }
}

/** Starts a module as a worker thread. `path` is that of its source, relative to `src/`. */
export function startThread(path: string, { heapMiB, ...options }: ThreadOptions): Worker {
  return new Worker(builtUrl(path), {
    ...options,
    resourceLimits: {
      maxOldGenerationSizeMb: heapMiB.old,
      maxYoungGenerationSizeMb: heapMiB.young,
    },
    // Flags of a program that starts a server, such as `--input-type`, are not for its threads.
    execArgv: [],
  })
}
