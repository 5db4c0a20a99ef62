/** How the files of a directory are distributed over worker threads. */
import { expect, test } from 'vitest'
import { hashPresent } from '../../src/client/download/hash-present.ts'
import { createTreeColumns } from '../../src/client/download/tree-columns.ts'
import type { FilePool } from '../../src/client/files/file-pool.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'

/** Hashes files of these sizes, in order; returns the number of files per task. */
async function tasksOf(sizes: number[]): Promise<number[]> {
  const tree = createTreeColumns()
  const name = (index: number): string => String(index).padStart(4, '0')
  const line = (size: number, index: number): string =>
    `f 644 ${size} ${digestOf('')} ${name(index)}\n`
  tree.addLines(Buffer.from(sizes.map(line).join('')))
  const run = async ({ paths }: { paths: string }): Promise<unknown> => await Promise.resolve(paths)
  const pool = { threads: 2, run } as unknown as FilePool
  const signal = new AbortController().signal
  const tasks: number[] = []
  const ordinals = sizes.map((_, index) => index)
  await hashPresent({ pool, tree, signal }, ordinals, name, (batch, answer) => {
    expect(answer).toBe(batch.map((ordinal) => `${name(ordinal)}\0`).join(''))
    tasks.push(batch.length)
  })
  return tasks
}

test('small files share tasks, and large files are spread over tasks', async () => {
  expect(await tasksOf(Array.from({ length: 300 }, () => 1000))).toEqual([128, 128, 44])
  expect(await tasksOf([1e9, 1e9, 5, 1e9])).toEqual([1, 1, 2])
  expect(await tasksOf([])).toEqual([])
})
