/** How values are shown on pages. */
import type { Child } from 'hono/jsx'
import { formatWireDigest, type Digest } from '../../core/bytes/digest.ts'
import { dayMs, formatDelta, formatSizeBytes, formatCount, hourMs } from '../../core/units.ts'
import type { Html } from './html.ts'

export function Size({ bytes }: { bytes: number }): Html {
  return <span title={`${formatCount(bytes)} bytes`}>{formatSizeBytes(bytes)}</span>
}

export function SizeCell({ bytes }: { bytes: number }): Html {
  return (
    <td class="number">
      <Size bytes={bytes} />
    </td>
  )
}

export function Delta({ bytes }: { bytes: number }): Html {
  const kind = bytes > 0 ? 'grew' : bytes < 0 ? 'shrank' : 'quiet'
  return (
    <span class={kind} title={`${formatCount(bytes)} bytes`}>
      {formatDelta(bytes)}
    </span>
  )
}

/** The first 12 digits, the whole digest in the title, and a button that copies it where scripts
 *  run. */
export function ShortDigest({ digest }: { digest: Digest | null }): Html {
  if (digest === null) return <span class="quiet">–</span>
  return (
    <span class="copyable">
      <span class="digest" title={formatWireDigest(digest)}>
        {digest.slice(0, 12)}
      </span>
      <CopyButton text={formatWireDigest(digest)} what="digest" />
    </span>
  )
}

export function WholeDigest({ digest, what }: { digest: Digest; what: string }): Html {
  return (
    <span class="copyable">
      <span class="digest">{formatWireDigest(digest)}</span>
      <CopyButton text={formatWireDigest(digest)} what={what} />
    </span>
  )
}

/** Shown only where scripts run; the text that it copies is also on the page. */
export function CopyButton({ text, what }: { text: string; what: string }): Html {
  return (
    <button type="button" class="copy needs-script" data-copy={text} aria-label={`Copy ${what}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
        <path
          fill="none"
          stroke="currentColor"
          stroke-width="1.3"
          d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z"
        />
      </svg>
    </button>
  )
}

/** An instant relative to now; the exact time is in `datetime` and the title. */
export function Time({ at, now }: { at: number; now: number }): Html {
  return (
    <time datetime={new Date(at).toISOString()} title={formatInstant(at)}>
      {relativeTime(at, now)}
    </time>
  )
}

/** `2026-12-05 08:08:16 UTC`. */
export function formatInstant(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `in 3 days`, `2 hours ago`. */
function relativeTime(at: number, now: number): string {
  const distanceMs = at - now
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', dayMs],
    ['hour', hourMs],
    ['minute', 60 * 1000],
    ['second', 1000],
  ]
  const [unit, unitMs] = units.find(([, ms]) => Math.abs(distanceMs) >= ms) ?? ['second', 1000]
  const count = distanceMs / unitMs
  // Future times are rounded: "in 30 days" is less than 30 days a moment later, and truncation
  // would show 29.
  return relative.format(count > 0 ? Math.round(count) : Math.trunc(count), unit)
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** The last item of a list that was cut; empty if nothing is left out. */
export function AndMore({ count }: { count: number }): Html {
  if (count <= 0) return <></>
  return <li class="quiet">and {formatCount(count)} more</li>
}

/** A term and its description, for a `dl`. */
export function Fact({ term, children }: { term: string; children?: Child }): Html {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  )
}

export function mode(bits: number): string {
  return bits.toString(8).padStart(3, '0')
}

/** Whether a time can be shown. Archives may contain times beyond the range of `Date`, which
 *  count as absent. */
export function isShownTime(epochSeconds: number | null): epochSeconds is number {
  return epochSeconds !== null && Math.abs(epochSeconds) < 8.64e12
}

/** Cuts text to a length, and marks the cut with an ellipsis. */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text
  // Not after the first half of a character.
  return `${text.slice(0, charactersMax).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Cuts long text: a few artifact names, or the name of a job, could fill a page. */
export function shortened(text: string): string {
  return cutText(text, 200)
}

export function TimeCell(time: { at: number; now: number }): Html {
  return (
    <td>
      <Time {...time} />
    </td>
  )
}
