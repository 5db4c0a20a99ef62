/** Masking: secrets never leave a run in a log, an annotation or a record. A masker knows values and their usual
 *  encodings and replaces each with `***`; it is shared by all jobs of a run, so a value that one job masks at run
 *  time stays hidden in the others too. */

export interface Masker {
  /** Hides `secret` from now on: as it is, line by line, and encoded (base64 at each offset, hex, JSON, URL, XML). */
  add: (secret: string) => void
  mask: (text: string) => string
  /** Where `text` may be cut so that no secret is split: the largest such place not above `limit`, or 0. */
  safeCut: (text: string, limit: number) => number
}

const replacement = '***'

export function createMasker(secrets: Iterable<string>): Masker {
  const values = new Set<string>()
  /** Undefined until it is needed: a step may add thousands of values in a row. */
  let pattern: RegExp | undefined
  let longest = 0

  const add = (secret: string): void => {
    pattern = undefined
    for (const value of formsOf(secret)) {
      values.add(value)
      longest = Math.max(longest, value.length)
    }
  }
  const mask = (text: string): string => {
    pattern ??= patternOf(values)
    if (!pattern.test(text)) return text
    let result = ''
    let done = 0
    for (const { start, end } of findSpans(text, values)) {
      result += text.slice(done, start) + replacement
      done = end
    }
    return result + text.slice(done)
  }
  const safeCut = (text: string, limit: number): number => {
    // A secret may still be coming in: its first characters can be the last ones here.
    let cut = Math.min(limit, text.length - Math.max(0, longest - 1))
    for (const { start, end } of findSpans(text, values)) {
      if (start < cut && cut < end) cut = start
    }
    return Math.max(0, cut)
  }
  for (const secret of secrets) add(secret)
  return { add, mask, safeCut }
}

/** Without values it matches nothing. */
function patternOf(values: ReadonlySet<string>): RegExp {
  const sources = [...values].toSorted((a, b) => b.length - a.length).map(escapeRegExp)
  return new RegExp(sources.length === 0 ? '(?!)' : sources.join('|'))
}

/** Places of all values in `text`, those that touch or overlap joined, in order. */
function findSpans(text: string, values: Iterable<string>): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  for (const value of values) {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
      found.push({ start: at, end: at + value.length })
    }
  }
  const joined: { start: number; end: number }[] = []
  for (const span of found.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end)
    else joined.push(span)
  }
  return joined
}

/** GitHub's runner registers these encodings too, but for hex (its ValueEncoders); short lines of a multi-line secret would blank out
 *  ordinary text, so only lines of three characters or more count there. */
function formsOf(secret: string): Set<string> {
  const forms = new Set<string>()
  const trimmed = secret.trim()
  const whole = trimmed === '' ? [] : [secret, trimmed]
  if (trimmed.length > 8 && /^".*"$/s.test(trimmed)) whole.push(trimmed.slice(1, -1))
  const lines = /[\r\n]/.test(secret) ? secret.split(/\r?\n|\r/).map((line) => line.trim()) : []
  for (const value of [...whole, ...lines.filter((line) => line.length >= 3)]) {
    forms.add(value)
    forms.add(escapeJson(value))
    // JSON within JSON, as of a log that is itself written as JSON.
    forms.add(escapeJson(escapeJson(value)))
    for (const escaped of escapedForms(value)) forms.add(escaped)
    for (const encoded of [...base64Forms(value), ...hexForms(value)]) forms.add(encoded)
    for (const part of powerShellParts(value)) forms.add(part)
  }
  return forms
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** In URLs, XML, expressions, arguments, and as a shell shows it after `set -x`. */
function escapedForms(value: string): string[] {
  const url = encodeURIComponent(value.toWellFormed())
  const strictUrl = url.replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  const text = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return [
    url,
    // RFC 3986, as .NET, Python and curl have it.
    strictUrl,
    strictUrl.replaceAll('%20', '+'),
    // A whole path or URL, as Python's `quote` and JavaScript's `encodeURI` have it.
    strictUrl.replaceAll('%2F', '/'),
    encodeURI(value.toWellFormed()),
    text,
    text.replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
    value.replaceAll("'", "''"),
    value.replaceAll('"', '\\"'),
    value.replaceAll("'", String.raw`'\''`),
  ]
}

/** The middle of a base64 text depends on where the secret starts modulo three bytes: one form for each. Characters
 *  that also carry bits of neighbours are left out. Values under 6 bytes have no such form long enough to be telling, only
 *  that of nothing else. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value)
  const alone = bytes.toString('base64')
  if (bytes.length < 6) return [alone]
  const forms = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '')
    const skipped = shift === 0 ? 0 : shift + 1
    const partial = (bytes.length + shift) % 3 === 0 ? 0 : 1
    return encoded.slice(skipped, encoded.length - partial)
  })
  const [whole = ''] = forms
  const all = [alone, ...forms, ...wrapLines(whole, 76), ...wrapLines(whole, 64)]
  return [...all, ...all.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
}

/** As `xxd -p` and `openssl rand -hex` write bytes, in lines or not. */
function hexForms(value: string): string[] {
  const bytes = Buffer.from(value)
  if (bytes.length < 6) return []
  const hex = bytes.toString('hex')
  return [hex, ...wrapLines(hex, 60)].flatMap((form) => [form, form.toUpperCase()])
}

/** The pieces that PowerShell shows of a command which it cannot run: it breaks behind the last `&`, and behind `&+` with
 *  a letter in colour. */
function powerShellParts(value: string): string[] {
  const plus = value.indexOf('&+')
  const end = plus < 0 ? value.lastIndexOf('&') + 1 : plus + 2
  if (end === 0) return []
  const parts = [value.slice(0, end), value.slice(plus < 0 ? end : end + 1)]
  return parts.filter((part) => part.length >= 6)
}

/** The lines of a longer text, as `base64`, PEM files and `xxd` have them; a short last one would be in other texts too. */
function wrapLines(text: string, width: number): string[] {
  if (text.length <= width) return []
  const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return lines.filter((line) => line.length >= 8)
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
