/** Decides how much of a long list fits on a page. A page stays below 30 KiB compressed,
 *  whatever it shows; a link leads to the rest. Lists of entries and log lines are rendered in
 *  short turns, so that the event loop serves other requests in between; the contents of files
 *  are rendered in a thread of their own (`renderer.ts`). */
import type { Child } from 'hono/jsx'
import { html } from 'hono/html'
import { deflateRawSync } from 'node:zlib'
import { nextTurn } from '../core/turn.ts'

/** Compressed bytes of the long part of a page; the frame around it adds a few KiB. */
export const longPartBytesMax: number = 20 * 1024
const itemsPerStep = 100
/** A step also ends after this much markup, which takes about a millisecond to compress. */
const stepCharacters = 64 * 1024
/** Longest turn before the event loop gets control back. */
const turnMs = 5

export interface Fitting {
  /** The markup of each of the leading items that fit. */
  pieces: string[]
  /** Their compressed size. */
  bytes: number
}

type Render<Item> = (item: Item, index: number) => Child

/** Renders the leading items that fit, by the compressed size of their markup, and at least one.
 *  `bytesMax` of Infinity renders all. */
export async function renderFitting<Item>(
  items: readonly Item[],
  render: Render<Item>,
  bytesMax: number = longPartBytesMax,
): Promise<Fitting> {
  return await fit(items, render, { bytesMax, itemsMin: 1 })
}

/** Like `renderFitting`, but may render no item at all. */
export async function takeFitting<Item>(
  items: readonly Item[],
  render: Render<Item>,
  bytesMax: number,
): Promise<Fitting> {
  return await fit(items, render, { bytesMax, itemsMin: 0 })
}

async function fit<Item>(
  items: readonly Item[],
  render: Render<Item>,
  { bytesMax, itemsMin }: { bytesMax: number; itemsMin: 0 | 1 },
): Promise<Fitting> {
  const pieces: string[] = []
  let bytes = 0
  for await (const step of renderInSteps(items, render)) {
    let rest = step
    // What is left of a step that does not fit is tried in halves, down to a single item.
    for (let size = step.length; rest.length > 0; size = Math.ceil(size / 2)) {
      // A single item may take tens of milliseconds to compress.
      if (size < step.length) await nextTurn()
      const part = rest.slice(0, size)
      const added = bytesMax === Infinity ? 0 : deflateRawSync(part.join(''), { level: 6 }).length
      if (bytes + added <= bytesMax || (size === 1 && pieces.length < itemsMin)) {
        bytes += added
        pieces.push(...part)
        rest = rest.slice(size)
      }
      if (size === 1) break
    }
    if (rest.length > 0) break
  }
  return { pieces, bytes }
}

/** Renders each item once, in order. */
async function* renderInSteps<Item>(
  items: readonly Item[],
  render: Render<Item>,
): AsyncGenerator<string[], void, undefined> {
  let since = performance.now()
  let step: string[] = []
  let characters = 0
  for (const [index, item] of items.entries()) {
    const markup = String(await html`${render(item, index)}`)
    step.push(markup)
    characters += markup.length
    if (step.length === itemsPerStep || characters >= stepCharacters) {
      yield step
      step = []
      characters = 0
    }
    if (performance.now() - since < turnMs) continue
    await nextTurn()
    since = performance.now()
  }
  if (step.length > 0) yield step
}
