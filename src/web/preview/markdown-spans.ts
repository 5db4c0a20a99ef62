/** Inline parser for Markdown: finds code, links, images, emphasis and HTML in a text. Anybody can
 *  upload a text, so parsing must take linear time. Each opening mark searches for its closing
 *  mark, and the result of a search is reused, so that unclosed marks do not each scan the rest
 *  of the text. Regular expressions that matched both marks backtracked for minutes on a few
 *  kilobytes. */

import { type Attributes, inlineTags, tagAt } from './markdown-html.ts'

export type Span = { start: number; end: number } & (
  | { kind: 'code' | 'strong' | 'emphasis' | 'struck'; text: string }
  | { kind: 'picture' | 'link'; label: string; target: string }
  | { kind: 'address'; label: string; target: string }
  /** `text`: the content between the tags. */
  | { kind: 'element'; tag: string; attributes: Attributes; text: string }
  /** A comment, or a tag without its counterpart. */
  | { kind: 'nothing' }
)

/** Yields the outermost spans in the order of the text; they do not overlap. `isHtml`: only HTML
 *  has a meaning. */
export function* findSpans(text: string, isHtml = false): Generator<Span, void, undefined> {
  const next = createFinder(text)
  const marks = isHtml
    ? /<!--|<\/?[a-z]/gi
    : /`+|!?\[|\*|~~|<https?:\/\/|https?:\/\/|<!--|<\/?[a-z]/gi
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    const span = spanAt(text, next, mark[0], mark.index)
    if (span !== undefined) yield span
    // A mark that opens no span may contain the next mark; only a run of backticks is skipped as a
    // whole.
    marks.lastIndex = span?.end ?? mark.index + (mark[0].startsWith('`') ? mark[0].length : 1)
  }
}

/** Returns the position of the next character of a kind at or after `from`; undefined if there
 *  is none. */
type Finder = (what: string, from: number) => number | undefined

const sought: Readonly<Record<string, RegExp>> = {
  '`': /`/g,
  ']': /\]/g,
  ')': /\)/g,
  '*': /\*/g,
  '~': /~/g,
  /** Ends an address in angle brackets. */
  '>': /[\s>]/g,
  '-->': /-->/g,
  ...Object.fromEntries(inlineTags.map((tag) => [tag, new RegExp(`</${tag}\\s*>`, 'gi')])),
}

/** Creates a finder that reads each character of the text once per kind, as long as `from` only
 *  grows. */
function createFinder(text: string): Finder {
  const known = new Map<string, number>()
  return (what, from) => {
    let at = known.get(what) ?? -1
    if (at < from) {
      const pattern = sought[what]!
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
    case '<':
      if (mark === '<!--') return commentAt(next, start)
      return mark.includes(':') ? angledAt(text, next, mark, start) : elementAt(text, next, start)
    default:
      return bareAt(text, mark, start)
  }
}

function commentAt(next: Finder, start: number): Span | undefined {
  const end = next('-->', start)
  return end === undefined ? undefined : { kind: 'nothing', start, end: end + 3 }
}

/** An element ends with the first closing tag of its name. */
function elementAt(text: string, next: Finder, start: number): Span | undefined {
  const opening = tagAt(text, start)
  if (opening === undefined) return undefined
  const { name: tag, isClosing, attributes, end } = opening
  if (tag === 'br' || tag === 'img')
    return { kind: 'element', start, end, tag, attributes, text: '' }
  const to = isClosing || !inlineTags.includes(tag) ? undefined : next(tag, end)
  if (to === undefined) return { kind: 'nothing', start, end }
  const closing = text.indexOf('>', to) + 1
  return { kind: 'element', start, end: closing, tag, attributes, text: text.slice(end, to) }
}

/** A code span ends with the same number of backticks; surplus backticks at its start are text. */
function codeAt(text: string, next: Finder, mark: string, start: number): Span | undefined {
  const from = start + mark.length
  const to = next('`', from)
  if (to === undefined) return undefined
  let end = to
  while (end - to <= mark.length && text[end] === '`') end++
  if (end - to > mark.length) return undefined
  return { kind: 'code', start: from - (end - to), end, text: text.slice(from, to) }
}

/** `[label](target "title")`; with a leading `!` an image, whose label may be empty. */
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

/** The span between two marks of equal length; undefined if it is empty or the closing mark is
 *  incomplete. */
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
