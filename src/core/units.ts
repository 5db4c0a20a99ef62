/** Sizes and durations as people write and read them in settings, flags and listings: `64GiB`,
 *  `90d`, `24h`. */

const sizeUnits: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
}

/** Milliseconds. Not products: bundlers for browsers keep an unused one. */
export const hourMs: number = 3_600_000
export const dayMs: number = 86_400_000

const durationUnits: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: dayMs,
  w: 604_800_000,
}

/** Parses `512`, `64GiB`, `1.5 GB` as bytes (a safe integer); returns undefined for anything
 *  else. */
export function parseSizeBytes(text: string): number | undefined {
  return parseQuantity(text, sizeUnits)
}

/** Parses `90d`, `24h`, `120s`, `1.5h` as milliseconds; a unit is required. Returns undefined for
 *  anything else. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, durationUnits)
}

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(text.trim())
  const unit = units[match?.[2]?.toLowerCase() ?? ' ']
  if (match === null || unit === undefined) return undefined
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Formats `1,057`. Node's `toLocaleString` loads ICU's locale data on first use, which takes a
 *  tenth of a small command's run time. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** Formats a count with its noun. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`
}

/** Formats bytes for people: `512 B`, `1.5 KiB`, `64.0 GiB`. Not meant to be parsed. */
export function formatSizeBytes(bytes: number): string {
  if (Math.abs(bytes) < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes / 1024
  let unit = 0
  // Prevents rounding to 1024.0 of one unit instead of 1.0 of the next.
  while (Math.abs(value) >= 1023.95 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value.toFixed(1)} ${units[unit]}`
}

/** Formats a difference of sizes with its sign, using the minus sign U+2212. */
export function formatDelta(bytes: number): string {
  if (bytes === 0) return '±0'
  return `${bytes > 0 ? '+' : '−'}${formatSizeBytes(Math.abs(bytes))}`
}

/** Formats a share as `12 %`; below one percent with a decimal, so that a small share is not shown
 *  as 0 %. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '0 %'
  const percent = (part / whole) * 100
  return `${percent > 0 && percent < 1 ? percent.toFixed(1) : Math.round(percent)} %`
}

/** Formats `500B`, `64GiB`, `500MB`: a whole number of the largest unit that divides it.
 *  `parseSizeBytes` reads it back. */
export function formatExactSize(bytes: number): string {
  const units = ['TiB', 'TB', 'GiB', 'GB', 'MiB', 'MB', 'KiB', 'KB']
  const unit = units.find((each) => bytes > 0 && bytes % sizeUnits[each.toLowerCase()]! === 0)
  return unit === undefined ? `${bytes}B` : `${bytes / sizeUnits[unit.toLowerCase()]!}${unit}`
}

/** Formats `0.4s`, `12s`, `3m 05s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
}

/** Formats `90 days`, `36 hours`; below an hour like `formatDuration`. */
export function formatPeriod(ms: number): string {
  // A period between two times of a server can be some milliseconds off.
  const wholeMs = ms < hourMs ? ms : Math.round(ms / 1000) * 1000
  if (wholeMs % dayMs === 0 || ms >= 10 * dayMs) return counted(Math.round(ms / dayMs), 'day')
  return ms >= hourMs ? counted(Math.round(ms / hourMs), 'hour') : formatDuration(ms)
}

/** Formats `0s`, `90s`, `36h`, `30d`: a whole number of the largest unit that divides it.
 *  `parseDurationMs` reads it back. */
export function formatExactDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find(
    (each) => ms > 0 && ms % durationUnits[each]! === 0,
  )
  return unit === undefined ? `${ms / 1000}s` : `${ms / durationUnits[unit]!}${unit}`
}
