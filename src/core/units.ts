/** Sizes and durations as people write them in settings and flags: `64GiB`, `90d`, `24h`. */

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

const durationUnits: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60 * 1000,
  h: 60 * 60 * 1000,
  d: 24 * 60 * 60 * 1000,
  w: 7 * 24 * 60 * 60 * 1000,
}

/** Milliseconds of a day. */
export const dayMs: number = 24 * 60 * 60 * 1000

/** Reads `512`, `64GiB`, `1.5 GB` as bytes (whole, safe); undefined for anything else. */
export function parseSizeBytes(text: string): number | undefined {
  return parseQuantity(text, sizeUnits)
}

/** Reads `90d`, `24h`, `120s`, `1.5h` as milliseconds; a unit is required. Undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  return parseQuantity(text, durationUnits)
}

function parseQuantity(text: string, units: Record<string, number>): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(text.trim())
  const unit = units[match?.[2]?.toLowerCase() ?? ' ']
  if (match === null || unit === undefined) return undefined
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : undefined
}
