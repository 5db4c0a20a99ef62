/** Writes one pack of a local directory: first to staging, then, when it is sealed, to its final
 *  place.
 *
 *  Each step is durable before the next:
 *    1. the file is synced; 2. its 2-hex directory is created, and `packs` is synced;
 *    3. the file is renamed into it; 4. that directory is synced, which makes the rename durable.
 *  A crash between any two steps leaves an unsealed pack, or a complete sealed one that nothing
 *  refers to. */
import assert from 'node:assert'
import { translateErrno } from './errno.ts'
import { type PackFile, type PackFileSystem, syncDirectory, writeAll } from './file-system.ts'
import type { LocalPaths } from './local-layout.ts'
import type { PackName, PackSink, SealedPack } from '../pack-store.ts'

export interface LocalSinkOptions {
  name: PackName
  /** New and empty, at the pack's path in staging; the sink closes it. */
  file: PackFile
  paths: LocalPaths
  fileSystem: PackFileSystem
  /** Creates the pack's 2-hex directory, durably. */
  ensureFanOut: (name: PackName) => Promise<void>
  /** Awaited at each step of sealing. */
  checkpoint: ((name: string) => void | Promise<void>) | undefined
}

export function createLocalSink(options: LocalSinkOptions): PackSink {
  const { name, file, paths, fileSystem, ensureFanOut, checkpoint } = options
  let sizeBytes = 0
  // Nothing is retried after a failure: a failed sync may have dropped the very pages that a second
  // sync would then consider clean (fsync(2), ERRORS).
  let state: 'open' | 'sealing' | 'sealed' | 'failed' | 'aborted' = 'open'
  let sealing: Promise<unknown> = Promise.resolve()
  let closing: Promise<void> | undefined

  function closeFile(): Promise<void> {
    closing ??= file.close()
    return closing
  }

  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await translateErrno(`pack ${name}`, work)
    } catch (error) {
      state = 'failed'
      throw error
    }
  }

  async function sealFile(): Promise<SealedPack> {
    await checkpoint?.('pack-written')
    await file.sync()
    await closeFile()
    await checkpoint?.('pack-synced')
    await ensureFanOut(name)
    await fileSystem.rename(paths.stagedPack(name), paths.sealedPack(name))
    await checkpoint?.('pack-renamed')
    await syncDirectory(paths.fanOut(name), fileSystem)
    state = 'sealed'
    await checkpoint?.('pack-directory-synced')
    return { name, sizeBytes }
  }

  return {
    name,
    write: async (bytes) => {
      assert(state === 'open', `cannot write to pack ${name}, which is ${state}`)
      const position = sizeBytes
      sizeBytes += bytes.length
      await attempt(() => writeAll(file, bytes, position))
    },
    seal: async () => {
      assert(state === 'open', `cannot seal pack ${name}, which is ${state}`)
      state = 'sealing'
      const sealed = attempt(sealFile)
      sealing = sealed
      return await sealed
    },
    abort: async () => {
      const quietly = async (work: Promise<unknown>): Promise<void> => {
        await work.catch(() => {})
      }
      // Wait for a seal in progress: removing its files would not stop it, only corrupt it.
      await quietly(sealing)
      if (state === 'sealed') return
      state = 'aborted'
      // What cannot be removed now is debris, for `removeUnsealed` and recovery to remove.
      await quietly(closeFile())
      await quietly(fileSystem.unlink(paths.stagedPack(name)))
      // A seal that failed after its rename was reported as failed, so nothing refers to the pack.
      await quietly(fileSystem.unlink(paths.sealedPack(name)))
    },
  }
}
