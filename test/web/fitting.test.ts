/** Rendering of long lists: it yields to the event loop, and stops at the size of a page. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { renderAll, renderFitting, takeFitting } from '../../src/web/fitting.ts'

const textOf = async (markup: Child): Promise<string> => String(await html`${markup}`)

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
  const all = await renderAll(items, slowItem)
  isOver = true
  await others
  expect(turns).toBeGreaterThan(20)
  expect(await textOf(all)).toBe(items.map((item) => `&lt;${item}&gt;`).join(''))
})

test('as many items are rendered as fit, and at least one', async () => {
  const long = ['x', 'y'].map((letter) => letter + Math.random().toString(36).repeat(2000))
  const none = await takeFitting(long, (text) => text, 10)
  expect([none.count, await textOf(none.markup)]).toEqual([0, ''])
  const noise = Array.from({ length: 20_000 }, () => Math.random().toString(36)).join('')
  const one = await renderFitting([noise, 'second'], (text) => text)
  expect([one.count, await textOf(one.markup)]).toEqual([1, noise])
  const all = await renderFitting(['a', 'b'], (text, index) => `${index}${text}`)
  expect([all.count, await textOf(all.markup)]).toEqual([2, '0a1b'])
  expect((await renderFitting([], () => '')).count).toBe(0)
})
