/** Where files of the program itself lie, and those of who runs it. The build puts what runs together into few files (`bundle.mjs`), so a module
 *  cannot say what lies beside it, only what lies below `src/` or `dist/src/`. */
import { homedir } from 'node:os'
import { Worker, type WorkerOptions } from 'node:worker_threads'

const url = import.meta.url
const folder = '/src/'

/** `src/` when the source itself runs (tests), else `dist/src/`. */
export const programRoot = new URL(url.slice(0, url.lastIndexOf(folder) + folder.length))

/** Node 20 cannot run TypeScript, so threads are compiled code also where the source itself runs: `npm run build` makes it. */
export const builtRoot = url.endsWith('.ts') ? new URL('../dist/src/', programRoot) : programRoot

/** The compiled form of a module that is loaded by its place. `path`: of its source, below `src/`. */
export function builtUrl(path: string): URL {
  return new URL(path.replace(/\.ts$/, '.js'), builtRoot)
}

/** Null where there is none: HOME is not set, and the user is a number without a name, as containers have it. */
export function homeDirectory(): string | null {
  try {
    return homedir() || null
  } catch {
    return null
  }
}

/** Starts the module at `path` (of its source, below `src/`) in a thread. `tracesSource`: stacks of its errors name places of
 *  the source, which takes 15 ms when it begins. */
export function startThread(
  path: string,
  { tracesSource = true, ...options }: Omit<WorkerOptions, 'execArgv'> & { tracesSource?: boolean },
): Worker {
  return new Worker(builtUrl(path), {
    ...options,
    execArgv: tracesSource ? ['--enable-source-maps'] : [],
  })
}
