/** Masking: keeps secrets out of logs, annotations and records. A masker replaces known values and
 *  their usual encodings with `***`. All jobs of a run share it, so a value that one job masks at
 *  run time is hidden in the others too. */

export interface Masker {
  /** Masks `secret` from now on: as it is, line by line, and encoded (base64 at each offset, hex,
   *  JSON, URL, XML). */
  add: (secret: string) => void
  mask: (text: string) => string
  /** Returns the largest position, at most `limit`, at which `text` can be cut without splitting a
   *  secret, or 0. */
  safeCut: (text: string, limit: number) => number
}

const replacement = '***'

export function createMasker(secrets: Iterable<string>): Masker {
  const values = new Set<string>()
  /** Built on first use: a step may add thousands of values in a row. */
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
    // The end of `text` may be the beginning of a secret whose rest has not arrived yet.
    let cut = Math.min(limit, text.length - Math.max(0, longest - 1))
    for (const { start, end } of findSpans(text, values)) {
      if (start < cut && cut < end) cut = start
    }
    return Math.max(0, cut)
  }
  for (const secret of secrets) add(secret)
  return { add, mask, safeCut }
}

/** Matches nothing when there are no values. */
function patternOf(values: ReadonlySet<string>): RegExp {
  const sources = [...values].toSorted((a, b) => b.length - a.length).map(escapeRegExp)
  return new RegExp(sources.length === 0 ? '(?!)' : sources.join('|'))
}

/** Returns the positions of all values in `text`, in order; adjacent and overlapping ones are
 *  merged. */
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

/** GitHub's runner registers these encodings too, except hex (its ValueEncoders). Lines of a
 *  multi-line secret count only from three characters on, since shorter ones would mask ordinary
 *  text. */
function formsOf(secret: string): Set<string> {
  const forms = new Set<string>()
  const trimmed = secret.trim()
  const whole = trimmed === '' ? [] : [secret, trimmed]
  if (trimmed.length > 8 && /^".*"$/s.test(trimmed)) whole.push(trimmed.slice(1, -1))
  const lines = /[\r\n]/.test(secret) ? secret.split(/\r?\n|\r/).map((line) => line.trim()) : []
  for (const value of [...whole, ...lines.filter((line) => line.length >= 3)]) {
    forms.add(value)
    forms.add(escapeJson(value))
    // JSON within JSON, such as a JSON value in a log written as JSON.
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

/** Escaped forms of URLs, XML, expressions and arguments, and what a shell prints after `set
 *  -x`. */
function escapedForms(value: string): string[] {
  const url = encodeURIComponent(value.toWellFormed())
  const strictUrl = url.replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  const text = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return [
    url,
    // RFC 3986, the form of .NET, Python and curl.
    strictUrl,
    strictUrl.replaceAll('%20', '+'),
    // A whole path or URL, the form of Python's `quote` and JavaScript's `encodeURI`.
    strictUrl.replaceAll('%2F', '/'),
    encodeURI(value.toWellFormed()),
    text,
    text.replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
    value.replaceAll("'", "''"),
    value.replaceAll('"', '\\"'),
    value.replaceAll("'", String.raw`'\''`),
  ]
}

/** The base64 form of a secret inside other data depends on its offset modulo three bytes, so there
 *  is one form per offset. Characters that share bits with neighbouring data are left out. Values
 *  under 6 bytes are too short for these forms to be distinctive; only their own complete encoding
 *  counts. */
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

/** As written by `xxd -p` and `openssl rand -hex`, in one line or wrapped. */
function hexForms(value: string): string[] {
  const bytes = Buffer.from(value)
  if (bytes.length < 6) return []
  const hex = bytes.toString('hex')
  return [hex, ...wrapLines(hex, 60)].flatMap((form) => [form, form.toUpperCase()])
}

/** The pieces that PowerShell shows of a command it cannot run: it breaks after the last `&`, or
 *  after `&+` with the next letter in colour. */
function powerShellParts(value: string): string[] {
  const plus = value.indexOf('&+')
  const end = plus < 0 ? value.lastIndexOf('&') + 1 : plus + 2
  if (end === 0) return []
  const parts = [value.slice(0, end), value.slice(plus < 0 ? end : end + 1)]
  return parts.filter((part) => part.length >= 6)
}

/** Lines of wrapped text, as in `base64` output, PEM files and `xxd`. A short last line is left
 *  out, since it would occur in other text. */
function wrapLines(text: string, width: number): string[] {
  if (text.length <= width) return []
  const lines = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return lines.filter((line) => line.length >= 8)
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
