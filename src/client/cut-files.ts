/** Cutting of large files by their content, in threads; some of it while the client has nothing else to do. */
import { type Digest, digestFromBytes } from '../core/digest.ts'
import { limits } from '../core/limits.ts'
import type { FilePool } from './file-pool.ts'
import type { ChunkAnswer } from './file-tasks.ts'
import type { HashedTree } from './hashed-tree.ts'
import type { CutFile } from './upload-plan.ts'

export interface FileCutter {
  /** Errors: FileError. */
  cut(ordinal: number): Promise<CutFile>
  /** Begins to cut files that will probably be asked for; answers a function that ends it. */
  cutAhead(): () => void
}

/** A larger file takes seconds, which are lost when the server has it. */
const aheadBytesMax = 64 * 1024 * 1024

export function createFileCutter(pool: FilePool, tree: HashedTree): FileCutter {
  /** Cut, and not asked for yet. */
  const ahead = new Map<number, Promise<ChunkAnswer>>()

  const run = async (ordinal: number): Promise<ChunkAnswer> =>
    await pool.run({ kind: 'chunk', path: tree.source.sourceOf(ordinal) })

  function* candidates(): Generator<number> {
    const seen = new Set<Digest>()
    for (let ordinal = 0; ordinal < tree.source.count; ordinal++) {
      if (tree.source.kind(ordinal) !== 'file') continue
      const sizeBytes = tree.sizeBytes(ordinal)
      if (sizeBytes < limits.chunkThresholdBytes || sizeBytes > aheadBytesMax) continue
      const digest = tree.digest(ordinal)
      if (seen.has(digest)) continue
      seen.add(digest)
      yield ordinal
    }
  }

  return {
    cut: async (ordinal) => {
      const answer = ahead.get(ordinal) ?? run(ordinal)
      ahead.delete(ordinal)
      const { sizeBytes, crc32, sizes, digests, isCompressed } = await answer
      const parts: Digest[] = []
      for (let at = 0; at < digests.length; at += 32)
        parts.push(digestFromBytes(digests.subarray(at, at + 32)))
      const composite = { digest: tree.digest(ordinal), sizeBytes, crc32, parts }
      return { ordinal, composite, sizes, isCompressed }
    },
    cutAhead: () => {
      let isOver = false
      const ordinals = candidates()
      const cutSome = async (): Promise<void> => {
        for (const ordinal of ordinals) {
          if (isOver) return
          const answer = run(ordinal)
          ahead.set(ordinal, answer)
          // A failure is told when the file is asked for.
          await answer.catch(() => {})
        }
      }
      for (let thread = 0; thread < pool.threads; thread++) void cutSome()
      return () => {
        isOver = true
      }
    },
  }
}
