import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { boundedPages } from '../../src/core/manifest/heavy-pages.ts'

interface Page {
  entries: { path: string; target?: string }[]
}

const light: Page = { entries: [{ path: 'a' }] }
const heavy: Page = {
  entries: [{ path: 'a', target: 'x'.repeat(limits.heavyPageCharacters) }, { path: 'b' }],
}

async function collect(pages: AsyncIterable<Page>): Promise<Page[]> {
  const found: Page[] = []
  for await (const page of pages) found.push(page)
  return found
}

function walk(pages: readonly Page[]): AsyncGenerator<Page> {
  return boundedPages(async (number) => pages[number], 0)
}

test('pages are yielded in order from the first on', async () => {
  const pages = [light, heavy, light, heavy]
  expect(await collect(boundedPages(async (number) => pages[number], 1))).toEqual(pages.slice(1))
})

test('few walks hold heavy pages at a time, others wait for them, and light ones do not', async () => {
  const walks = Array.from({ length: 3 * limits.heavyWalksMax }, () => walk([light, heavy, light]))
  let arrived = 0
  const steps = walks.map(async (each) => {
    expect((await each.next()).value).toBe(light)
    const { value } = await each.next()
    expect(value).toBe(heavy)
    arrived += 1
  })
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect(arrived).toBe(limits.heavyWalksMax)
  expect(await collect(walk([light, light]))).toHaveLength(2)
  // A walk that is given up leaves its place to the next.
  for (const [at, each] of walks.entries()) {
    await steps[at]
    await each.return(undefined)
  }
  expect(arrived).toBe(walks.length)
  await Promise.all(steps)
})

test('a walk that fails leaves its place', async () => {
  for (let time = 0; time < 2 * limits.heavyWalksMax; time++) {
    const failing = boundedPages(async (number) => {
      if (number === 1) throw new Error('removed')
      return heavy
    }, 0)
    await failing.next()
    await expect(failing.next()).rejects.toThrow('removed')
  }
  expect(await collect(walk([heavy]))).toEqual([heavy])
})
