/** Writes the stat cache of a tree (stat-cache.ts says how one looks). */
import { crc32 } from '../core/crc32.ts'
import { replaceCacheFile } from './cache-files.ts'
import { digestBytes, magic, statColumns } from './stat-cache.ts'

/** Collects the next cache, in ascending order of paths. */
export interface StatCacheWriter {
  add(path: string, stats: Float64Array, digest: Uint8Array): void
  /** Puts it in place of the one before. Never fails: without it the next upload reads the files. */
  save(): Promise<void>
}

export function createStatCacheWriter(path: string, countMax: number): StatCacheWriter {
  const stats = new Float64Array(countMax * statColumns)
  const digests = Buffer.allocUnsafe(countMax * digestBytes)
  const paths: Uint8Array[] = []
  let pending: string[] = []
  let count = 0
  const flush = (): void => {
    if (pending.length === 0) return
    paths.push(Buffer.from(`${pending.join('\n')}\n`))
    pending = []
  }
  return {
    add: (entryPath, own, digest) => {
      stats.set(own, count * statColumns)
      digests.set(digest, count * digestBytes)
      count += 1
      pending.push(entryPath)
      if (pending.length >= 4096) flush()
    },
    save: async () => {
      flush()
      const body = [
        Buffer.from(stats.buffer, 0, count * statColumns * 8),
        digests.subarray(0, count * digestBytes),
        ...paths,
      ]
      const head = Buffer.concat([magic, Buffer.alloc(16)])
      const pathBytes = paths.reduce((sum, each) => sum + each.length, 0)
      head.writeUInt32LE(count, magic.length)
      head.writeUInt32LE(pathBytes, magic.length + 4)
      head.writeUInt32LE(
        body.reduce((check, each) => crc32(each, check), 0),
        magic.length + 8,
      )
      await replaceCacheFile(path, [head, ...body])
    },
  }
}
