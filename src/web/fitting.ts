/** How much of something long a page takes. A page is to stay below 30 KiB, compressed, whatever it shows; the rest is
 *  behind a link that asks for more, and whoever follows it gets it. What is made of entries and lines of logs is put
 *  together a little at a time, so that whoever else waits for the server is served in between; what is made of files is
 *  in a thread of its own (`renderer.ts`). */
import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { setImmediate } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'

/** Compressed bytes of the long part of a page; what is around it takes a few KiB more. */
const longPartBytesMax = 20 * 1024
const itemsPerStep = 100
/** The server is let go after so long. */
const turnMs = 5

export interface Fitting {
  /** How many of the first items. */
  count: number
  /** What they take, compressed. */
  bytes: number
  /** Those, put together. */
  markup: HtmlEscapedString
}

type Render<Item> = (item: Item, index: number) => Child

/** The first items that fit, by the compressed size of their markup, but at least one. */
export async function renderFitting<Item>(
  items: readonly Item[],
  render: Render<Item>,
): Promise<Fitting> {
  const fitting = await takeFitting(items, render)
  if (fitting.count > 0 || items.length === 0) return fitting
  return { ...fitting, count: 1, markup: await renderAll(items.slice(0, 1), render) }
}

/** The same within a bound of its own, and perhaps none. */
export async function takeFitting<Item>(
  items: readonly Item[],
  render: Render<Item>,
  bytesMax: number = longPartBytesMax,
): Promise<Fitting> {
  const pieces: string[] = []
  let bytes = 0
  for await (const step of renderInSteps(items, render)) {
    const added = deflateRawSync(step.join(''), { level: 6 }).length
    if (bytes + added > bytesMax) {
      const count = Math.floor((step.length * (bytesMax - bytes)) / added)
      pieces.push(...step.slice(0, count))
      return { count: pieces.length, bytes: bytesMax, markup: raw(pieces.join('')) }
    }
    bytes += added
    pieces.push(...step)
  }
  return { count: items.length, bytes, markup: raw(pieces.join('')) }
}

export async function renderAll<Item>(
  items: readonly Item[],
  render: Render<Item>,
): Promise<HtmlEscapedString> {
  const steps: string[] = []
  for await (const step of renderInSteps(items, render)) steps.push(step.join(''))
  return raw(steps.join(''))
}

/** Each item once, in their order. */
async function* renderInSteps<Item>(
  items: readonly Item[],
  render: Render<Item>,
): AsyncGenerator<string[], void, undefined> {
  let since = performance.now()
  for (let first = 0; first < items.length; first += itemsPerStep) {
    const step: string[] = []
    for (const item of items.slice(first, first + itemsPerStep)) {
      step.push(String(await html`${render(item, first + step.length)}`))
      if (performance.now() - since < turnMs) continue
      await setImmediate()
      since = performance.now()
    }
    yield step
  }
}
