/** Byte ranges: HTTP's inclusive text form outside, half-open `[start, end)` inside. Only this file
 *  knows the text form. RFC 9110 §14. */

export interface ByteRange {
  start: number
  end: number
}

export type RangeAnswer =
  /** The whole representation: no range, an invalid one, or several. */
  { kind: 'whole' } | { kind: 'part'; range: ByteRange } | { kind: 'unsatisfiable' }

/** Parses a `Range` header for a representation of `totalBytes`. */
export function parseByteRange(field: string | undefined, totalBytes: number): RangeAnswer {
  // RFC 9110 §14.1: range unit names are case-insensitive.
  const set = /^bytes=(.*)$/i.exec(field?.trim() ?? '')?.[1]
  // RFC 9110 §5.6.1.2: empty list elements are ignored.
  const specs = set?.split(',').filter((spec) => spec.trim() !== '') ?? []
  // RFC 9110 §14.2: several ranges may be answered with the whole; no archive client requests them.
  if (specs.length !== 1) return { kind: 'whole' }
  const match = /^[ \t]*(\d*)-(\d*)[ \t]*$/.exec(specs[0]!)
  // RFC 9110 §14.2: an invalid range is ignored, not rejected.
  if (match === null) return { kind: 'whole' }
  const [, first = '', last = ''] = match
  if (first === '') return parseSuffix(last, totalBytes)
  const start = Number(first)
  const end = last === '' ? totalBytes : Math.min(Number(last) + 1, totalBytes)
  // RFC 9110 §14.1.1: a last position before the first makes the range invalid.
  if (last !== '' && isLess(last, first)) return { kind: 'whole' }
  if (start >= totalBytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', range: { start, end } }
}

/** Parses a suffix range: the last `text` bytes. */
function parseSuffix(text: string, totalBytes: number): RangeAnswer {
  if (text === '') return { kind: 'whole' }
  const length = Number(text)
  if (length === 0) return { kind: 'unsatisfiable' }
  // An empty representation satisfies a suffix range, but Content-Range cannot express an empty
  // range.
  if (totalBytes === 0) return { kind: 'whole' }
  return { kind: 'part', range: { start: Math.max(totalBytes - length, 0), end: totalBytes } }
}

/** Compares decimal strings of any length. Converted to numbers, large values would round to
 *  equal. */
function isLess(a: string, b: string): boolean {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return left.length === right.length ? left < right : left.length < right.length
}

/** Parses the `Content-Range` of a partial response; undefined when it names no total. */
export function parseContentRange(
  field: string | null,
): (ByteRange & { totalBytes: number }) | undefined {
  const match = /^bytes[ \t]+(\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(field?.trim() ?? '')
  if (match === null) return undefined
  const [start, last, totalBytes] = match.slice(1).map(Number) as [number, number, number]
  return { start, end: last + 1, totalBytes }
}

/** Formats the `Content-Range` of a non-empty range. */
export function formatContentRange(range: ByteRange, totalBytes: number): string {
  return `bytes ${range.start}-${range.end - 1}/${totalBytes}`
}
