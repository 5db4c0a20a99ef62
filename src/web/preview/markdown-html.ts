/** Parser for the HTML in Markdown: a set of harmless tags, as elements with the few attributes
 *  that matter. Unknown tags are text. Anybody can upload a text, so parsing must take linear
 *  time. */
import { decodeEntities } from '../../core/markup/entities.ts'

export interface HtmlElement {
  tag: string
  attributes: Attributes
  children: HtmlNode[]
}
export type HtmlNode = HtmlElement | string

/** By lower-case name. Only those that this program uses. */
export type Attributes = Readonly<Record<string, string>>

/** Tags of elements that contain blocks, or are blocks themselves. */
const blockTags = new Set(
  (
    'blockquote caption center details div h1 h2 h3 h4 h5 h6 hr li ol p pre section summary ' +
    'table tbody td tfoot th thead tr ul'
  ).split(' '),
)
/** Tags of elements in running text, except `br` and `img`, which have no content. */
export const inlineTags: readonly string[] =
  'a b code del em i ins kbd mark q s samp small span strike strong sub sup tt u var'.split(' ')
const knownInline = new Set([...inlineTags, 'br', 'img'])

export interface Tag {
  name: string
  isClosing: boolean
  attributes: Attributes
  end: number
}

/** Returns the known tag at `start`; undefined if there is none. */
export function tagAt(text: string, start: number): Tag | undefined {
  const pattern = /<(\/?)([a-z][a-z0-9]*)((?:[\s/][^<>]*)?)>/iy
  pattern.lastIndex = start
  const [whole, slash, written, attributes] = pattern.exec(text) ?? []
  if (whole === undefined || written === undefined) return undefined
  const name = written.toLowerCase()
  if (!blockTags.has(name) && !knownInline.has(name)) return undefined
  const end = start + whole.length
  return { name, isClosing: slash === '/', attributes: attributesOf(attributes ?? ''), end }
}

/** Longer attributes are ignored; the bound keeps the pattern fast. */
const attributeCharactersMax = 4096

function attributesOf(text: string): Attributes {
  const found: Record<string, string> = {}
  const pattern =
    /\b(href|src|alt|open|colspan|rowspan)(?:=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?(?![\w-])/gi
  for (const match of text.slice(0, attributeCharactersMax).matchAll(pattern)) {
    const [, name = '', double, single, bare] = match
    found[name.toLowerCase()] ??= decodeEntities(double ?? single ?? bare ?? '')
  }
  return found
}

/** Whether a line begins with a comment or the tag of a block. */
export function startsHtml(line: string): boolean {
  const indent = /^ {0,3}(?=<(?:!--|\/?[a-z]))/i.exec(line)?.[0].length
  if (indent === undefined) return false
  if (line.startsWith('<!--', indent)) return true
  const tag = tagAt(line, indent)
  return tag !== undefined && blockTags.has(tag.name)
}

/** Deeper elements are left out, and their contents kept. */
const nestingMax = 32

/** Reads the HTML that begins with the line `at`: as many lines as it takes to close all
 *  elements. Undefined if there is none. Stops after `elementsMax` elements. */
export function readHtml(
  lines: string[],
  at: number,
  elementsMax: number,
): { nodes: HtmlNode[]; elements: number; next: number } | undefined {
  if (!startsHtml(lines[at]!)) return undefined
  const reader = createReader(elementsMax)
  let next = at
  do reader.read(lines[next++]!)
  while (next < lines.length && !reader.isDone())
  return { nodes: reader.nodes, elements: reader.elements(), next }
}

/** Elements that another one ends without a tag (HTML §13.1.2.4). Any block ends a paragraph. */
const endedBy: Readonly<Record<string, readonly string[]>> = {
  li: ['p', 'li'],
  td: ['p', 'td', 'th'],
  th: ['p', 'td', 'th'],
  tr: ['p', 'td', 'th', 'tr'],
  tbody: ['p', 'td', 'th', 'tr', 'thead', 'tbody'],
  thead: ['p', 'td', 'th', 'tr', 'tbody'],
  tfoot: ['p', 'td', 'th', 'tr', 'thead', 'tbody'],
}

interface Reader {
  nodes: HtmlNode[]
  elements(): number
  read(line: string): void
  /** Whether all elements and comments are closed, or there are too many. */
  isDone(): boolean
}

function createReader(elementsMax: number): Reader {
  const root: HtmlElement = { tag: '', attributes: {}, children: [] }
  const open: HtmlElement[] = [root]
  let elements = 0
  let inComment = false
  let fence: string | undefined

  const isFull = (): boolean => elements > elementsMax
  const top = (): HtmlElement => open.at(-1)!
  const addText = (text: string): void => {
    const { children } = top()
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + text
    else children.push(text)
  }
  const start = ({ name: tag, attributes }: Tag): void => {
    while ((endedBy[tag] ?? ['p']).includes(top().tag)) open.pop()
    if (open.length > nestingMax) return
    elements += 1
    const element: HtmlElement = { tag, attributes, children: [] }
    top().children.push(element)
    if (tag !== 'hr') open.push(element)
  }
  const end = (name: string): void => {
    const at = open.findLastIndex(({ tag }) => tag === name)
    if (at > 0) open.length = at
  }
  /** Handles one mark; returns where the text after it begins. */
  const mark = (line: string, at: number, text: string): number => {
    if (text === '<!--') {
      const closing = line.indexOf('-->', at)
      inComment = closing === -1
      return inComment ? line.length : closing + 3
    }
    const tag = text.startsWith('`') ? undefined : tagAt(line, at)
    const isOurs =
      tag !== undefined && blockTags.has(tag.name) && (top().tag !== 'pre' || tag.name === 'pre')
    if (!isOurs) {
      addText(text)
      return at + text.length
    }
    if (tag.isClosing) end(tag.name)
    else start(tag)
    return tag.end
  }
  const readTags = (line: string): void => {
    let from = 0
    // A code span in a line of Markdown hides tags.
    const marks = top().tag === 'pre' ? /<!--|<\/?[a-z]/gi : /`[^`]+`|<!--|<\/?[a-z]/gi
    for (let found = marks.exec(line); found !== null && !isFull(); found = marks.exec(line)) {
      addText(line.slice(from, found.index))
      from = mark(line, found.index, found[0])
      marks.lastIndex = from
    }
    addText(`${line.slice(from)}\n`)
  }
  return {
    nodes: root.children,
    elements: () => elements,
    isDone: () => isFull() || (open.length === 1 && !inComment && fence === undefined),
    read: (line) => {
      if (inComment) {
        const closing = line.indexOf('-->')
        if (closing === -1) return
        inComment = false
        readTags(line.slice(closing + 3))
        return
      }
      if (line.trim() === '' && top().tag === 'p') open.pop()
      const mayFence = top().tag !== 'pre' && open.length > 1
      const found = mayFence ? /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] : undefined
      if (fence === undefined && found === undefined) return readTags(line)
      addText(`${line}\n`)
      if (fence === undefined) fence = found
      else if (line.trim().startsWith(fence)) fence = undefined
    },
  }
}
