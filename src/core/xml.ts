/** Reads XML as a sequence of tags and text, as far as reports of test runners use it. It replaces
 *  only XML's own entities, skips a byte order mark and document types, and never expands
 *  what they declare. Takes linear time. */

export type XmlEvent = TagEvent | { kind: 'text'; text: string }

type TagEvent =
  | { kind: 'open'; name: string; attributes: ReadonlyMap<string, string> }
  | { kind: 'close'; name: string }

const nameAt = /[^\s<>/="'!?]+/y
const attributeAt = /\s+([^\s<>/="']+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y
const tagEndAt = /\s*(\/?)>/y

/** Yields events up to the end or the first malformed place, and returns whether it read
 *  everything, with each element closed. A file that a killed process left behind is cut off
 *  somewhere. An empty element yields both of its events. */
export function* readXml(text: string): Generator<XmlEvent, boolean, undefined> {
  let at = text.startsWith('\ufeff') ? 1 : 0
  /** Names of the open elements. */
  const open: string[] = []
  while (at < text.length) {
    const markup = text.indexOf('<', at)
    if (markup !== at)
      yield { kind: 'text', text: decodeEntities(text.slice(at, orEnd(markup, text))) }
    if (markup === -1) break
    const skipped = markupAt(text, markup)
    if (skipped !== undefined) {
      if (skipped.end === -1) return false
      if (skipped.text !== '') yield { kind: 'text', text: skipped.text }
      at = skipped.end
      continue
    }
    const tag = tagAt(text, markup)
    if (tag === undefined) return false
    for (const event of tag.events) {
      if (event.kind === 'open') open.push(event.name)
      else if (event.name !== open.pop()) return false
      yield event
    }
    at = tag.end
  }
  return open.length === 0
}

/** A comment, a section of character data, a processing instruction or a document type.
 *  `end` is -1 if it does not end. */
function markupAt(text: string, open: number): { end: number; text: string } | undefined {
  for (const [start, close] of markups) {
    if (!text.startsWith(start, open)) continue
    const from = open + start.length
    const end = text.indexOf(close, from)
    if (end === -1) return { end, text: '' }
    return { end: end + close.length, text: start === '<![CDATA[' ? text.slice(from, end) : '' }
  }
  return undefined
}

const markups = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
  ['<!', '>'],
] as const

function tagAt(text: string, open: number): { events: TagEvent[]; end: number } | undefined {
  const isClose = text[open + 1] === '/'
  const name = matchAt(nameAt, text, open + (isClose ? 2 : 1))
  if (name === undefined) return undefined
  let at = nameAt.lastIndex
  const attributes = new Map<string, string>()
  for (let match = matchAt(attributeAt, text, at); match !== undefined;) {
    attributes.set(match[1]!, decodeEntities(match[2] ?? match[3] ?? ''))
    at = attributeAt.lastIndex
    match = matchAt(attributeAt, text, at)
  }
  const last = matchAt(tagEndAt, text, at)
  if (last === undefined) return undefined
  const close: TagEvent = { kind: 'close', name: name[0] }
  if (isClose) return { events: [close], end: tagEndAt.lastIndex }
  const events: TagEvent[] = [{ kind: 'open', name: name[0], attributes }]
  if (last[1] === '/') events.push(close)
  return { events, end: tagEndAt.lastIndex }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

function orEnd(at: number, text: string): number {
  return at === -1 ? text.length : at
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  lt: '<',
  quot: '"',
}

/** Replaces character references by the characters they stand for; unknown ones are kept. */
function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (...groups) => {
    const [whole, decimal, hex, name] = groups as [string, string?, string?, string?]
    if (name !== undefined) return entities[name] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    const isSpace = code === 0x09 || code === 0x0a || code === 0x0d
    const isPrintable = code >= 0x20 && code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff)
    return isSpace || isPrintable ? String.fromCodePoint(code) : whole
  })
}

/** For elements, and attributes in double quotes. Characters that XML 1.0 §2.2 does not allow, not
 *  even escaped, become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
