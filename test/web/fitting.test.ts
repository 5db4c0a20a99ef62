/** Rendering of long lists: it yields to the event loop, and stops at the size of a page. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { renderFitting, takeFitting } from '../../src/web/fitting.ts'

/** Renders an item, which takes two milliseconds. */
function slowItem(item: number): string {
  const until = performance.now() + 2
  while (performance.now() < until);
  return `<${item}>`
}

test('rendering many items yields to the event loop and keeps their order', async () => {
  const items = Array.from({ length: 120 }, (_, index) => index)
  let turns = 0
  let isOver = false
  const others = (async () => {
    for (; !isOver; turns++) await setImmediate()
  })()
  const all = await takeFitting(items, slowItem, Infinity)
  isOver = true
  await others
  expect(turns).toBeGreaterThan(20)
  expect(all.pieces).toEqual(items.map((item) => `&lt;${item}&gt;`))
})

/** Text that hardly compresses. */
function noise(characters: number, seed = 0): string {
  const digests: string[] = []
  for (let at = 0; at < characters; at += 64)
    digests.push(createHash('sha512').update(`${seed} ${at}`).digest('base64'))
  return digests.join('')
}

test('items of different sizes stay within the bound', async () => {
  const items = [
    ...[1, 2, 3, 4, 5, 6].map((seed) => noise(4000, seed)),
    ...Array<string>(94).fill('x'),
  ]
  for (const list of [items, items.toReversed()]) {
    const { pieces, bytes } = await takeFitting(list, (item, index) => index + item, 20_000)
    const size = deflateRawSync(pieces.join('')).length
    expect([pieces.length > 0, size <= bytes, bytes <= 20_000]).toEqual([true, true, true])
    expect(size).toBeGreaterThan(4000)
  }
})

test('as many items are rendered as fit, and at least one', async () => {
  const long = ['x', 'y'].map((letter) => letter + Math.random().toString(36).repeat(2000))
  expect((await takeFitting(long, (text) => text, 10)).pieces).toEqual([])
  const one = await renderFitting([noise(20_000), 'second'], (text) => text)
  expect(one.pieces).toEqual([noise(20_000)])
  const all = await renderFitting(['a', 'b'], (text, index) => `${index}${text}`)
  expect(all.pieces).toEqual(['0a', '1b'])
  expect((await renderFitting([], () => '')).pieces).toEqual([])
})
