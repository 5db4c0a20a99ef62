/** How much of something long a page takes. A page is to stay below 30 KiB, compressed, whatever it shows; the rest is
 *  behind a link that asks for more, and whoever follows it gets it. */
import type { Child } from 'hono/jsx'
import { html } from 'hono/html'
import { deflateRawSync } from 'node:zlib'

/** Compressed bytes of the long part of a page; what is around it takes a few KiB more. */
const longPartBytesMax = 20 * 1024
const itemsPerStep = 100

/** How many of the first items fit, by the compressed size of their markup; at least one. */
export async function countFitting<Item>(
  items: readonly Item[],
  render: (item: Item, index: number) => Child,
): Promise<number> {
  return Math.max(1, (await takeFitting(items, render, longPartBytesMax)).count)
}

/** The same within a bound of its own, and what those take. */
export async function takeFitting<Item>(
  items: readonly Item[],
  render: (item: Item, index: number) => Child,
  bytesMax: number,
): Promise<{ count: number; bytes: number }> {
  let bytes = 0
  for (let first = 0; first < items.length; first += itemsPerStep) {
    const step = items.slice(first, first + itemsPerStep)
    const added = await compressedBytes(step.map((item, index) => render(item, first + index)))
    if (bytes + added > bytesMax) {
      const count = first + Math.floor((step.length * (bytesMax - bytes)) / added)
      return { count, bytes: bytesMax }
    }
    bytes += added
  }
  return { count: items.length, bytes }
}

export async function fits(part: Child): Promise<boolean> {
  return (await compressedBytes(part)) <= longPartBytesMax
}

async function compressedBytes(part: Child): Promise<number> {
  return deflateRawSync(String(await html`${part}`), { level: 6 }).length
}
