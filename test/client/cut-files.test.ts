import { describe, expect, test } from 'vitest'
import { createFileCutter } from '../../src/client/cut-files.ts'
import type { FilePool } from '../../src/client/file-pool.ts'
import type { ChunkAnswer, FileTask } from '../../src/client/file-tasks.ts'
import type { HashedTree } from '../../src/client/hashed-tree.ts'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'

const large = 1024 * 1024
const part = digestOf('part')

/** Files by their sizes; two of a size have the same content. */
function treeOf(...sizes: number[]): HashedTree {
  return {
    source: {
      count: sizes.length,
      kind: () => 'file',
      sourceOf: (ordinal: number) => `/tree/${ordinal}`,
    },
    sizeBytes: (ordinal: number) => sizes[ordinal]!,
    digest: (ordinal: number) => digestOf(String(sizes[ordinal])),
  } as unknown as HashedTree
}

interface Asked {
  path: string
  answer(): void
  fail(error: Error): void
}

/** A pool that answers when it is told to. */
function heldPool(threads: number): { pool: FilePool; asked: Asked[] } {
  const asked: Asked[] = []
  const run = async (task: FileTask): Promise<ChunkAnswer> => {
    if (task.kind !== 'chunk') throw new Error(`unexpected ${task.kind}`)
    return await new Promise((resolve, reject) => {
      const answer = (): void => {
        resolve({
          sizeBytes: large,
          crc32: 7,
          sizes: Uint32Array.of(large),
          digests: new Uint8Array(digestToBytes(part)),
          isCompressed: false,
        })
      }
      asked.push({ path: task.path, answer, fail: reject })
    })
  }
  return { pool: { threads, run } as unknown as FilePool, asked }
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

describe('files that are cut before anybody asks', () => {
  test('are large ones, each content once, as many at a time as there are threads', async () => {
    const { pool, asked } = heldPool(2)
    const huge = 1024 * large
    const cutter = createFileCutter(pool, treeOf(10, large, huge, large, large + 1, large + 2))
    const stop = cutter.cutAhead()
    expect(asked.map(({ path }) => path)).toEqual(['/tree/1', '/tree/4'])
    asked[0]!.answer()
    await settle()
    expect(asked.map(({ path }) => path)).toEqual(['/tree/1', '/tree/4', '/tree/5'])
    stop()
    for (const { answer } of asked) answer()
    await settle()
    expect(asked).toHaveLength(3)
  })

  test('are not cut again when they are asked for', async () => {
    const { pool, asked } = heldPool(1)
    const cutter = createFileCutter(pool, treeOf(large, large + 1))
    const stop = cutter.cutAhead()
    stop()
    const cut = cutter.cut(0)
    asked[0]!.answer()
    expect(await cut).toEqual({
      ordinal: 0,
      composite: { digest: digestOf(String(large)), sizeBytes: large, crc32: 7, parts: [part] },
      sizes: Uint32Array.of(large),
      isCompressed: false,
    })
    await settle()
    expect(asked).toHaveLength(1)
    const other = cutter.cut(1)
    asked[1]!.answer()
    expect(await other).toMatchObject({ ordinal: 1 })
  })

  test('fail when they are asked for, and only then', async () => {
    const { pool, asked } = heldPool(1)
    const cutter = createFileCutter(pool, treeOf(large, large + 1))
    const stop = cutter.cutAhead()
    asked[0]!.fail(new Error('cannot be read'))
    await settle()
    expect(asked).toHaveLength(2)
    stop()
    await expect(cutter.cut(0)).rejects.toThrow('cannot be read')
  })
})
