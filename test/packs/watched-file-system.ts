/** The real file system, instrumented: records calls in order, can transfer less than asked, and
 *  can make any call fail. */
import { relative } from 'node:path'
import {
  type PackFile,
  type PackFileSystem,
  nodeFileSystem,
} from '../../src/packs/local/file-system.ts'

export interface WatchedFileSystem extends PackFileSystem {
  /** The calls so far, such as `sync packs/ab`: the call, and the path below `root`. */
  readonly calls: string[]
  /** The calls that began before an earlier one had ended. Their order in `calls` says nothing. */
  readonly overlapping: string[]
  /** Number of open files. */
  readonly openFiles: number
  /** Makes `times` calls fail with `code`, beginning with the `turn`-th from now on (from 1). A
   *  failing call has no effect. */
  failAt(turn: number, code: string, times: number): void
  /** The first call that `failAt` made fail, if any. */
  readonly failedCall: string | undefined
}

export interface WatchedFileSystemOptions {
  root: string
  /** Upper bound on the bytes of one read or write. */
  transferBytesMax?: number
}

export function watchFileSystem(options: WatchedFileSystemOptions): WatchedFileSystem {
  const { root, transferBytesMax = Number.POSITIVE_INFINITY } = options
  const calls: string[] = []
  const overlapping: string[] = []
  let running = 0
  let openFiles = 0
  let failure: { turn: number; code: string; times: number } | undefined
  let failedCall: string | undefined

  const watched = async <T>(call: string, path: string, work: () => Promise<T>): Promise<T> => {
    const what = `${call} ${relative(root, path) || '.'}`
    calls.push(what)
    if (running > 0) overlapping.push(what)
    running++
    try {
      if (failure !== undefined && --failure.turn <= 0 && --failure.times >= 0) {
        const { code } = failure
        failedCall ??= what
        throw Object.assign(new Error(`${code}: injected, ${what}`), { code })
      }
      return await work()
    } finally {
      running--
    }
  }

  const watchFile = (file: PackFile, path: string): PackFile => ({
    write: async (bytes, position) =>
      await watched('write', path, () => file.write(bytes.subarray(0, transferBytesMax), position)),
    read: async (target, position) =>
      await watched('read', path, () => file.read(target.subarray(0, transferBytesMax), position)),
    sync: async () => await watched('sync', path, () => file.sync()),
    close: async () => {
      // A failing close has closed the file nevertheless (close(2), NOTES).
      openFiles--
      const closed = file.close()
      await watched('close', path, () => closed)
    },
  })

  return {
    calls,
    overlapping,
    get openFiles() {
      return openFiles
    },
    failAt: (turn, code, times) => {
      failure = { turn, code, times }
      failedCall = undefined
    },
    get failedCall() {
      return failedCall
    },
    open: async (path, mode) =>
      await watched(`open-${mode}`, path, async () => {
        const file = await nodeFileSystem.open(path, mode)
        openFiles++
        return watchFile(file, path)
      }),
    mkdir: async (path) => await watched('mkdir', path, () => nodeFileSystem.mkdir(path)),
    rename: async (from, to) => await watched('rename', to, () => nodeFileSystem.rename(from, to)),
    unlink: async (path) => await watched('unlink', path, () => nodeFileSystem.unlink(path)),
    link: async (path, alias) =>
      await watched('link', alias, () => nodeFileSystem.link(path, alias)),
    readdir: async (path) => await watched('readdir', path, () => nodeFileSystem.readdir(path)),
    stat: async (path) => await watched('stat', path, () => nodeFileSystem.stat(path)),
  }
}
