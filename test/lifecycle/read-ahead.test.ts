import { expect, test } from 'vitest'
import { readAhead } from '../../src/lifecycle/snapshot/read-ahead.ts'

const mebibyte = 1024 * 1024

/** Reads items of these sizes; returns how many were begun whenever one was needed. */
async function begunAtEach(sizes: number[]): Promise<number[]> {
  let begun = 0
  const begunThen: number[] = []
  const items = sizes.map((sizeBytes, index) => ({ index, sizeBytes }))
  const reads = readAhead(
    items,
    ({ sizeBytes }) => sizeBytes,
    async ({ index }) => {
      begun += 1
      return await Promise.resolve(Buffer.of(index))
    },
  )
  const contents: number[] = []
  for (const { item, content } of reads) {
    begunThen.push(begun)
    contents.push(item.index, (await content)[0]!)
  }
  expect(contents).toEqual(sizes.flatMap((_, index) => [index, index]))
  return begunThen
}

test('reads begin ahead, as many as the number and the bytes allow', async () => {
  const all = 40
  const ofMany = await begunAtEach(Array<number>(all).fill(1))
  expect(ofMany).toEqual(ofMany.map((_, index) => Math.min(index + 17, all)))
  const ofLarge = await begunAtEach(Array<number>(all).fill(mebibyte))
  expect(ofLarge).toEqual(ofLarge.map((_, index) => Math.min(index + 9, all)))
})

test('what exceeds the bytes is read alone', async () => {
  const large = 20 * mebibyte
  expect(await begunAtEach([large, large, 1, large])).toEqual([1, 2, 4, 4])
  expect(await begunAtEach([])).toEqual([])
})

test('a failed read is that of its item', async () => {
  const [first, second, third] = readAhead(
    [1, 2, 3],
    () => 1,
    async (item) => {
      if (item === 2) throw new Error('lost')
      return await Promise.resolve(Buffer.of(item))
    },
  )
  expect(await third!.content).toEqual(Buffer.of(3))
  await expect(second!.content).rejects.toThrow('lost')
  expect(await first!.content).toEqual(Buffer.of(1))
})
