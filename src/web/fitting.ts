/** Decides how much of a long list fits on a page. A page stays below 30 KiB compressed,
 *  whatever it shows; a link leads to the rest. Lists of entries and log lines are rendered in
 *  short turns, so that the event loop serves other requests in between; the contents of files
 *  are rendered in a thread of their own (`renderer.ts`). */
import type { Child } from 'hono/jsx'
import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { deflateRawSync } from 'node:zlib'
import { nextTurn } from '../core/turn.ts'

/** Compressed bytes of the long part of a page; the frame around it adds a few KiB. */
const longPartBytesMax = 20 * 1024
const itemsPerStep = 100
/** A step also ends after this much markup, which takes about a millisecond to compress. */
const stepCharacters = 64 * 1024
/** Longest turn before the event loop gets control back. */
const turnMs = 5

export interface Fitting {
  /** Number of leading items that fit. */
  count: number
  /** Their compressed size. */
  bytes: number
  /** Their markup. */
  markup: HtmlEscapedString
  /** The markup of each. */
  pieces: string[]
}

type Render<Item> = (item: Item, index: number) => Child

/** Renders the leading items that fit, by the compressed size of their markup, and at least one. */
export async function renderFitting<Item>(
  items: readonly Item[],
  render: Render<Item>,
): Promise<Fitting> {
  const fitting = await takeFitting(items, render)
  if (fitting.count > 0 || items.length === 0) return fitting
  const markup = await renderAll(items.slice(0, 1), render)
  return { ...fitting, count: 1, markup, pieces: [String(markup)] }
}

/** Like `renderFitting`, with a bound of the caller's; may render no item at all. */
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
      return { count: pieces.length, bytes: bytesMax, markup: raw(pieces.join('')), pieces }
    }
    bytes += added
    pieces.push(...step)
  }
  return { count: items.length, bytes, markup: raw(pieces.join('')), pieces }
}

export async function renderAll<Item>(
  items: readonly Item[],
  render: Render<Item>,
): Promise<HtmlEscapedString> {
  const steps: string[] = []
  for await (const step of renderInSteps(items, render)) steps.push(step.join(''))
  return raw(steps.join(''))
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
