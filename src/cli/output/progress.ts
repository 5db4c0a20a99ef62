/** Progress of a long command, on stderr: bars on a terminal; elsewhere a line per phase, and at
 *  most one progress line every ten seconds. */
import { formatSizeBytes } from '../../core/units.ts'
import { printable } from './output.ts'

export interface Bar {
  label: string
  doneBytes: number
  /** 0 while unknown. */
  totalBytes: number
  /** Shown after the amounts. */
  note?: string
}

export interface Progress {
  /** Shows these bars from now on; the last one also shows the rate and the time left. */
  show(bars: Bar[]): void
  /** Reports once that a phase has ended: prints a line where there are no bars. */
  phase(line: string): void
  /** Reports a failure that is about to be retried. */
  retrying(failure: unknown): void
  /** Removes the bars. */
  finish(): void
}

const barIntervalMs = 100
const lineIntervalMs = 10_000
const barWidth = 20
/** On narrower terminals the amounts are more useful than a bar in front of them. */
const barColumnsMin = 60

export function createProgress(stderr: NodeJS.WriteStream, options: { bars: boolean }): Progress {
  return options.bars && stderr.isTTY ? createBars(stderr) : createLines(stderr)
}

function createBars(stderr: NodeJS.WriteStream): Progress {
  const rate = createRate()
  let drawnLines = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  const clear = (): void => {
    if (drawnLines > 0) stderr.write(`\u001b[${drawnLines}A\u001b[0J`)
    drawnLines = 0
  }
  return {
    show: (bars) => {
      const now = performance.now()
      const last = bars.at(-1)
      if (last !== undefined) rate.note(last.label, last.doneBytes, now)
      if (now - drawnAt < barIntervalMs) return
      drawnAt = now
      clear()
      // Some terminals report no width, or 0. A wrapped line would not be removed.
      const width = Math.max(1, (stderr.columns || 80) - 1)
      const lines = bars.map((bar, index) =>
        formatBar(bar, {
          suffix: index === bars.length - 1 ? rate.text(bar) : '',
          narrow: width < barColumnsMin,
        }),
      )
      stderr.write(lines.map((line) => `${line.slice(0, width)}\n`).join(''))
      drawnLines = lines.length
    },
    phase: () => {},
    retrying: (failure) => {
      clear()
      stderr.write(formatRetry(failure))
    },
    finish: clear,
  }
}

function createLines(stderr: NodeJS.WriteStream): Progress {
  let printLine = createProgressLines(stderr)
  return {
    show: (bars) => {
      const bar = bars.at(-1)
      if (bar !== undefined) printLine(() => `${bar.label} ${formatAmounts(bar)}`)
    },
    phase: (line) => {
      printLine = createProgressLines(stderr)
      stderr.write(`${line}\n`)
    },
    retrying: (failure) => {
      stderr.write(formatRetry(failure))
    },
    finish: () => {},
  }
}

/** Reports progress of work whose end is unknown: at most one line every ten seconds. */
export function createProgressLines(stderr: NodeJS.WritableStream): (line: () => string) => void {
  let printedAt = performance.now()
  return (line) => {
    const now = performance.now()
    if (now - printedAt < lineIntervalMs) return
    printedAt = now
    stderr.write(`${line()}\n`)
  }
}

/** A line that reports an error after which the operation is retried. */
function formatRetry(failure: unknown): string {
  const reason = failure instanceof Error ? failure.message : String(failure)
  return `trove: ${printable(reason)}; retrying\n`
}

function formatBar(bar: Bar, { suffix, narrow }: { suffix: string; narrow: boolean }): string {
  const share = bar.totalBytes === 0 ? 0 : Math.min(1, bar.doneBytes / bar.totalBytes)
  const filled = Math.round(share * barWidth)
  const drawn = narrow ? '' : `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)} `
  return `${bar.label.padEnd(10)} ${drawn}${formatAmounts(bar)}${suffix}`
}

function formatAmounts({ doneBytes, totalBytes, note }: Bar): string {
  const amounts =
    totalBytes === 0
      ? formatSizeBytes(doneBytes)
      : `${formatSizeBytes(doneBytes)} of ${formatSizeBytes(totalBytes)}`
  return note === undefined ? amounts : `${amounts}, ${note}`
}

/** Bytes per second over the last few seconds. */
function createRate(): {
  note(label: string, bytes: number, now: number): void
  text(bar: Bar): string
} {
  const windowMs = 5000
  let label = ''
  let points: { at: number; bytes: number }[] = []
  const bytesPerSecond = (): number => {
    const [first, last] = [points[0], points.at(-1)]
    if (first === undefined || last === undefined || last.at - first.at < 200) return 0
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000
  }
  return {
    note: (of, bytes, now) => {
      // Less than before is what the next artifact of several begins with.
      if (of !== label || bytes < (points.at(-1)?.bytes ?? 0)) points = []
      label = of
      points.push({ at: now, bytes })
      if (points.length > 200) points = points.filter((_, index) => index % 2 === 0)
      while (points.length > 2 && now - points[0]!.at > windowMs) points.shift()
    },
    text: ({ doneBytes, totalBytes }) => {
      const rate = bytesPerSecond()
      if (rate <= 0) return ''
      const seconds = Math.ceil((totalBytes - doneBytes) / rate)
      return `  ${formatSizeBytes(rate)}/s${totalBytes > doneBytes ? `  eta ${seconds} s` : ''}`
    },
  }
}
