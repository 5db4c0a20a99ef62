/** Keeps files open for later reads. A file is closed when nobody is reading it and it is the least
 *  recently used of too many, has not been used for a while, or was dropped. A read in flight
 *  always keeps its file open. */
import { limits } from '../../core/limits.ts'
import { storeError } from '../../core/errors.ts'
import type { PackFile } from './file-system.ts'

export interface ReadHandles {
  /** Runs `work` with the open file of that name.
   *  Errors: those of opening and of `work`; shutting_down after `close`. */
  use<T>(name: string, work: (file: PackFile) => Promise<T>): Promise<T>
  /** Drops a file: the next use opens it again. Resolves when it is closed, which waits for uses in
   *  flight. */
  drop(name: string): Promise<void>
  /** Drops all files and rejects further uses. Resolves when the last use has ended and every file
   *  is closed. */
  close(): Promise<void>
}

interface Handle {
  opening: Promise<PackFile>
  uses: number
  /** Not used since the last check for idle files. */
  idle: boolean
  /** No longer in the map, so new uses cannot find it. */
  dropped: boolean
  closed: Promise<void>
  /** Closes the file and resolves `closed`, even if closing fails. */
  close(): void
}

export function createReadHandles(
  openFile: (name: string) => Promise<PackFile>,
  handlesMax: number = limits.packHandlesMax,
): ReadHandles {
  /** In order of use, least recently used first. */
  const handles = new Map<string, Handle>()
  /** Dropped but not yet closed. */
  const closing = new Set<Promise<void>>()
  let closed = false
  let timer: NodeJS.Timeout | undefined

  /** Schedules the next check for idle files, as long as any are open. */
  function watch(): void {
    if (timer !== undefined || handles.size === 0) return
    timer = setTimeout(() => {
      timer = undefined
      for (const [name, handle] of handles) {
        if (handle.idle) void forget(name)
        else handle.idle = handle.uses === 0
      }
      watch()
    }, limits.packHandleIdleMs)
    timer.unref()
  }

  function take(name: string): Handle {
    const handle = handles.get(name) ?? createHandle(openFile(name))
    // Reinserting moves it to the end of the order.
    handles.delete(name)
    handles.set(name, handle)
    handle.uses++
    handle.idle = false
    watch()
    for (const [oldest, { uses }] of handles) {
      if (handles.size <= handlesMax) break
      if (uses === 0) void forget(oldest)
    }
    return handle
  }

  function release(name: string, handle: Handle): void {
    handle.uses--
    if (handle.uses > 0) return
    if (handle.dropped) handle.close()
    else if (handles.size > handlesMax) void forget(name)
  }

  function forget(name: string): Promise<void> {
    const handle = handles.get(name)
    if (handle === undefined) return Promise.resolve()
    handles.delete(name)
    handle.dropped = true
    if (handle.uses === 0) handle.close()
    closing.add(handle.closed)
    return handle.closed.finally(() => closing.delete(handle.closed))
  }

  return {
    use: async (name, work) => {
      if (closed) throw storeError('shutting_down', 'the pack store is closed', {})
      const handle = take(name)
      try {
        return await work(await handle.opening)
      } catch (error) {
        // Opening the file again may fix a failure to open or read it.
        void forget(name)
        throw error
      } finally {
        release(name, handle)
      }
    },
    drop: forget,
    close: async () => {
      closed = true
      clearTimeout(timer)
      for (const name of handles.keys()) void forget(name)
      await Promise.all(closing)
    },
  }
}

function createHandle(opening: Promise<PackFile>): Handle {
  let settle = (): void => {}
  const closed = new Promise<void>((resolve) => {
    settle = resolve
  })
  return {
    opening,
    uses: 0,
    idle: false,
    dropped: false,
    closed,
    close: () => {
      // Ignores errors: closing a file that was only read, or was never opened, loses nothing.
      opening.then((file) => file.close()).then(settle, settle)
    },
  }
}
