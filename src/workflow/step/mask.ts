/** Masking: keeps secrets out of logs, annotations and records. A masker replaces known values and
 *  their usual encodings with `***`. All jobs of a run share it, so a value that one job masks at
 *  run time is hidden in the others too. */

export interface Masker {
  /** Masks `secret` from now on: as it is, line by line, and encoded (base64 at each offset, hex,
   *  JSON, URL, XML). */
  add: (secret: string) => void
  mask: (text: string) => string
  /** Cuts a piece of at most `limit` characters from the start of a text whose end may be missing,
   *  without splitting a secret. Returns undefined when there is no place to cut; the text is then
   *  shorter than two secrets. */
  takePiece: TakePiece
}

export type TakePiece = (text: string, limit: number) => { piece: string; rest: string } | undefined

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
    for (const { start, end } of joinSpans(findSpans(text, values))) {
      result += text.slice(done, start) + replacement
      done = end
    }
    return result + text.slice(done)
  }
  const takePiece: TakePiece = (text, limit) => {
    // The end of `text` may be the beginning of a secret whose rest has not arrived yet.
    const safe = text.length - Math.max(0, longest - 1)
    const last = Math.min(limit, safe)
    const found = findSpans(text, values)
    const crossing = joinSpans(found).find(({ start, end }) => start < last && last < end)
    if (crossing?.start === 0) {
      const at = crossing.end <= safe ? crossing.end : startWithin(found, safe)
      return at === 0 ? undefined : { piece: replacement, rest: text.slice(at) }
    }
    let cut = crossing?.start ?? last
    if (/[\ud800-\udbff]/.test(text[cut - 1] ?? '')) cut -= 1
    return cut <= 0 ? undefined : { piece: text.slice(0, cut), rest: text.slice(cut) }
  }
  for (const secret of secrets) add(secret)
  return { add, mask, takePiece }
}

/** Matches nothing when there are no values. */
function patternOf(values: ReadonlySet<string>): RegExp {
  const sources = [...values].toSorted((a, b) => b.length - a.length).map(escapeRegExp)
  return new RegExp(sources.length === 0 ? '(?!)' : sources.join('|'))
}

interface Span {
  start: number
  end: number
}

/** Returns the positions of all values in `text`, in order. */
function findSpans(text: string, values: Iterable<string>): Span[] {
  const found: Span[] = []
  for (const value of values) {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
      found.push({ start: at, end: at + value.length })
    }
  }
  return found.toSorted((a, b) => a.start - b.start)
}

/** Merges adjacent and overlapping spans. */
function joinSpans(spans: Span[]): Span[] {
  const joined: Span[] = []
  for (const { start, end } of spans) {
    const last = joined.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else joined.push({ start, end })
  }
  return joined
}

/** Returns the last start, up to `limit`, of a span that ends after all those before it. Without
 *  the text in front of it, the spans still cover the same of the rest. */
function startWithin(spans: Span[], limit: number): number {
  let at = 0
  let covered = 0
  for (const { start, end } of spans) {
    if (start > limit) break
    if (end > covered) at = start
    covered = Math.max(covered, end)
  }
  return at
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
