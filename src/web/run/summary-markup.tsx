/** Renders job summaries in the rendering thread: steps write whatever they like, and Markdown of a
 *  megabyte takes a second. */
import { deflateRawSync } from 'node:zlib'
import { takeFitting } from '../fitting.ts'
import type { LinkTargets } from '../preview/markdown-links.tsx'
import { markdownOf } from '../preview/markdown.tsx'

export interface SummaryTask {
  kind: 'summaries'
  /** The Markdown of the steps of each job. */
  jobs: string[][]
  /** Level of the heading above each summary. */
  level: number
  /** Compressed bytes of all summaries. */
  bytesMax: number
}

export interface RenderedSummary {
  /** '' if nothing fits. */
  markup: string
  /** Its compressed size. */
  bytes: number
  /** False if only the beginning is rendered. */
  isWhole: boolean
}

/** A summary belongs to no artifact, so relative links and images lead nowhere. */
const noTargets: LinkTargets = { page: () => undefined, raw: () => undefined }
/** Less of a summary is not worth showing. */
const shareBytesMin = 512
/** How often the beginning of a summary is rendered to find what fits, unless a try fills this
 *  share of the space. */
const triesMax = 8
const wellFilled = 0.9

/** Each job gets an equal share of what those before it have left. */
export async function renderSummaries({
  jobs,
  level,
  bytesMax,
}: SummaryTask): Promise<RenderedSummary[]> {
  const rendered: RenderedSummary[] = []
  let leftBytes = bytesMax
  for (const [index, steps] of jobs.entries()) {
    const share = Math.max(shareBytesMin, leftBytes / (jobs.length - index))
    const summary = await renderSteps(steps, level, Math.min(share, leftBytes))
    leftBytes -= summary.bytes
    rendered.push(summary)
  }
  return rendered
}

/** Steps are rendered one by one, so that an unclosed block of one does not swallow the next. */
async function renderSteps(
  steps: string[],
  level: number,
  bytesMax: number,
): Promise<RenderedSummary> {
  let markup = ''
  let bytes = 0
  for (const text of steps) {
    const part = await fittingPart(text, level, bytesMax - bytes)
    markup += part.markup
    bytes += part.bytes
    if (!part.isWhole) return { markup, bytes, isWhole: false }
  }
  return { markup, bytes, isWhole: true }
}

type Part = Omit<RenderedSummary, 'isWhole'>

/** Renders the leading lines that fit: about as many as the size of the previous try suggests. */
async function fittingPart(
  text: string,
  level: number,
  bytesMax: number,
): Promise<RenderedSummary> {
  const lines = text.split('\n')
  let fitting: Part = { markup: '', bytes: 0 }
  let [low, high] = [0, lines.length + 1]
  let count = lines.length
  for (let tried = 0; tried < triesMax && high - low > 1; tried++) {
    const part = await renderPart(lines.slice(0, count).join('\n'), level)
    if (part !== undefined && part.bytes <= bytesMax) {
      if (count === lines.length) return { ...part, isWhole: true }
      ;[low, fitting] = [count, part]
      if (part.bytes > wellFilled * bytesMax) break
    } else high = count
    const guess = part === undefined ? 0 : Math.floor((count * bytesMax) / part.bytes)
    count = guess > low && guess < high ? guess : Math.floor((low + high) / 2)
  }
  return { ...fitting, isWhole: false }
}

/** Undefined if the text has too many elements. */
async function renderPart(text: string, level: number): Promise<Part | undefined> {
  const blocks = markdownOf(text, noTargets, level)
  if (blocks === undefined) return undefined
  const { pieces } = await takeFitting(blocks, (block) => block, Infinity)
  const markup = pieces.join('')
  return { markup, bytes: deflateRawSync(markup).length }
}
