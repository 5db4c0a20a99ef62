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
  let openFiles = 0
  let failure: { turn: number; code: string; times: number } | undefined
  let failedCall: string | undefined

  const enter = (call: string, path: string): void => {
    const what = `${call} ${relative(root, path) || '.'}`
    calls.push(what)
    if (failure === undefined || --failure.turn > 0 || --failure.times < 0) return
    const { code } = failure
    failedCall ??= what
    throw Object.assign(new Error(`${code}: injected, ${what}`), { code })
  }

  const watchFile = (file: PackFile, path: string): PackFile => ({
    write: async (bytes, position) => {
      enter('write', path)
      return await file.write(bytes.subarray(0, transferBytesMax), position)
    },
    read: async (target, position) => {
      enter('read', path)
      return await file.read(target.subarray(0, transferBytesMax), position)
    },
    sync: async () => {
      enter('sync', path)
      await file.sync()
    },
    close: async () => {
      // A failing close has closed the file nevertheless (close(2), NOTES).
      openFiles--
      await file.close()
      enter('close', path)
    },
  })

  return {
    calls,
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
    open: async (path, mode) => {
      enter(`open-${mode}`, path)
      const file = await nodeFileSystem.open(path, mode)
      openFiles++
      return watchFile(file, path)
    },
    mkdir: async (path) => {
      enter('mkdir', path)
      await nodeFileSystem.mkdir(path)
    },
    rename: async (from, to) => {
      enter('rename', to)
      await nodeFileSystem.rename(from, to)
    },
    unlink: async (path) => {
      enter('unlink', path)
      await nodeFileSystem.unlink(path)
    },
    readdir: async (path) => {
      enter('readdir', path)
      return await nodeFileSystem.readdir(path)
    },
    stat: async (path) => {
      enter('stat', path)
      return await nodeFileSystem.stat(path)
    },
  }
}
