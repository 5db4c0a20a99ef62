/** The inline part of Markdown: where in a text code, links, pictures and emphasis are. Anybody can upload a text, so none
 *  may take more than linear time: a mark looks for the one that ends it, and what has been looked for is remembered, so
 *  that marks without an end do not each read the rest of the text. Regular expressions that look for both went back and
 *  forth over a few kilobytes for minutes. */

export type Span = { start: number; end: number } & (
  | { kind: 'code' | 'strong' | 'emphasis' | 'struck'; text: string }
  | { kind: 'picture' | 'link'; label: string; target: string }
  | { kind: 'address'; label: string; target: string }
)

/** In the order of the text; they do not overlap. What is inside of one is not looked into. */
export function* findSpans(text: string): Generator<Span, void, undefined> {
  const next = createFinder(text)
  const marks = /`+|!?\[|\*|~~|<https?:\/\/|https?:\/\//g
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    const span = spanAt(text, next, mark[0], mark.index)
    if (span !== undefined) yield span
    // The next mark can begin inside of one that begins nothing, but for a run of backticks.
    marks.lastIndex = span?.end ?? mark.index + (mark[0].startsWith('`') ? mark[0].length : 1)
  }
}

/** Where the next of some characters is, from `from` on; undefined when there is none. */
type Finder = (what: keyof typeof sought, from: number) => number | undefined

const sought = {
  '`': /`/g,
  ']': /\]/g,
  ')': /\)/g,
  '*': /\*/g,
  '~': /~/g,
  /** What ends an address in angle brackets. */
  '>': /[\s>]/g,
}

/** Asked for places further and further on, each character of the text is read once for each kind. */
function createFinder(text: string): Finder {
  const known = new Map<string, number>()
  return (what, from) => {
    let at = known.get(what) ?? -1
    if (at < from) {
      const pattern = sought[what]
      pattern.lastIndex = from
      at = pattern.exec(text)?.index ?? text.length
      known.set(what, at)
    }
    return at === text.length ? undefined : at
  }
}

function spanAt(text: string, next: Finder, mark: string, start: number): Span | undefined {
  switch (mark[0]) {
    case '`':
      return codeAt(text, next, mark, start)
    case '!':
    case '[':
      return linkAt(text, next, mark, start)
    case '*':
      return starsAt(text, next, start)
    case '~':
      return between(text, { start, marks: 2, end: next('~', start + 2), kind: 'struck' })
    default:
      return mark.startsWith('<') ? angledAt(text, next, mark, start) : bareAt(text, mark, start)
  }
}

/** Ends in as many backticks as it began with; what the beginning has more is text. */
function codeAt(text: string, next: Finder, mark: string, start: number): Span | undefined {
  const from = start + mark.length
  const to = next('`', from)
  if (to === undefined) return undefined
  let end = to
  while (end - to <= mark.length && text[end] === '`') end++
  if (end - to > mark.length) return undefined
  return { kind: 'code', start: from - (end - to), end, text: text.slice(from, to) }
}

/** `[label](target "title")`, with a `!` in front a picture, whose label may be empty. */
function linkAt(text: string, next: Finder, mark: string, start: number): Span | undefined {
  const from = start + mark.length
  const to = next(']', from)
  const isPicture = mark === '!['
  if (to === undefined || text[to + 1] !== '(' || (to === from && !isPicture)) return undefined
  const closing = next(')', to + 2)
  if (closing === undefined) return undefined
  const [target = ''] =
    /[^\s>]*/.exec(
      text
        .slice(to + 2, closing)
        .trimStart()
        .replace(/^</, ''),
    ) ?? []
  const kind = isPicture ? 'picture' : 'link'
  return { kind, start, end: closing + 1, label: text.slice(from, to), target }
}

function starsAt(text: string, next: Finder, start: number): Span | undefined {
  if (text[start + 1] === '*')
    return between(text, { start, marks: 2, end: next('*', start + 2), kind: 'strong' })
  if (/\s/.test(text[start + 1] ?? ' ')) return undefined
  return between(text, { start, marks: 1, end: next('*', start + 1), kind: 'emphasis' })
}

/** What is between two marks of the same length, where there is something and the second one is whole. */
function between(
  text: string,
  {
    start,
    marks,
    end,
    kind,
  }: {
    start: number
    marks: 1 | 2
    end: number | undefined
    kind: 'strong' | 'emphasis' | 'struck'
  },
): Span | undefined {
  const from = start + marks
  if (end === undefined || end === from || text[end + marks - 1] !== text[start]) return undefined
  return { kind, start, end: end + marks, text: text.slice(from, end) }
}

function angledAt(text: string, next: Finder, mark: string, start: number): Span | undefined {
  const end = next('>', start + mark.length)
  if (end === undefined || text[end] !== '>' || end === start + mark.length) return undefined
  const target = text.slice(start + 1, end)
  return { kind: 'address', start, end: end + 1, label: target, target }
}

function bareAt(text: string, mark: string, start: number): Span | undefined {
  const pattern = /[^\s<>()]+/y
  pattern.lastIndex = start + mark.length
  const rest = pattern.exec(text)
  if (rest === null) return undefined
  const target = mark + rest[0]
  return { kind: 'address', start, end: start + target.length, label: target, target }
}
