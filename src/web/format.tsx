/** How values read on pages. */
import type { Child } from 'hono/jsx'
import { formatWireDigest, type Digest } from '../core/digest.ts'
import { dayMs, formatSizeBytes } from '../core/units.ts'
import type { Html } from './html.ts'

export function Size({ bytes }: { bytes: number }): Html {
  return <span title={`${bytes.toLocaleString('en')} bytes`}>{formatSizeBytes(bytes)}</span>
}

/** The first characters; the whole digest is in the title. */
export function ShortDigest({ digest }: { digest: Digest | null }): Html {
  if (digest === null) return <span class="quiet">–</span>
  return (
    <span class="digest" title={formatWireDigest(digest)}>
      {digest.slice(0, 12)}
    </span>
  )
}

/** An instant in words, with the exact one beside it for programs and pointers. */
export function Time({ at, now }: { at: number; now: number }): Html {
  const iso = new Date(at).toISOString()
  return (
    <time datetime={iso} title={iso}>
      {relativeTime(at, now)}
    </time>
  )
}

/** `in 3 days`, `2 hours ago`. */
function relativeTime(at: number, now: number): string {
  const distanceMs = at - now
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', dayMs],
    ['hour', 60 * 60 * 1000],
    ['minute', 60 * 1000],
    ['second', 1000],
  ]
  const [unit, unitMs] = units.find(([, ms]) => Math.abs(distanceMs) >= ms) ?? ['second', 1000]
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(
    Math.trunc(distanceMs / unitMs),
    unit,
  )
}

/** A term and its description, for a `dl`. */
export function Fact({ term, children }: { term: string; children: Child }): Html {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  )
}

/** A count with its noun. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
