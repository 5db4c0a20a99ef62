/** Renders Markdown as elements, never as markup: only elements that this file and
 *  markdown-elements.tsx create can be on the page, so there is nothing to sanitize. Supports
 *  headings, paragraphs, lists, quotes, code, tables, emphasis, links and images (the common part
 *  of CommonMark and GitHub's flavour), and the usual HTML; other tags are shown as text. Images on
 *  other hosts become links, since pages load nothing from elsewhere. */
import type { Child } from 'hono/jsx'
import { renderNodes } from './markdown-elements.tsx'
import { decodeEntities } from '../../core/markup/entities.ts'
import { readHtml, startsHtml } from './markdown-html.ts'
import { anchor, image, type LinkTargets } from './markdown-links.tsx'
import { findSpans, type Span } from './markdown-spans.ts'

/** Renders the blocks of a text in order, below a heading of level `above`; undefined if they have
 *  more than `elementsMax` elements. */
export function markdownOf(text: string, targets: LinkTargets, above = 1): Child[] | undefined {
  const outline = { ...targets, above, level: above, elements: 0 }
  const children = blocks(text.split(/\r?\n/), outline, 0)
  return isFull(outline) ? undefined : children
}

/** At this bound, the rendering thread and the browser each take about half a second. */
const elementsMax = 50_000

/** Whether the bound is exceeded; parsing can stop, since the result will not be shown. */
function isFull({ elements }: Outline): boolean {
  return elements > elementsMax
}

/** State of the rendering. Headings start below the page's own, and skipped levels are closed, so
 *  that the outline has no gaps. */
interface Outline extends LinkTargets {
  /** Level of the page's heading above the text. */
  above: number
  /** Level of the previous heading. */
  level: number
  /** Elements created so far. */
  elements: number
}

const nestingMax = 12
const spanNestingMax = 4

type Block = { children: Child; next: number }
type Rule = (lines: string[], at: number, targets: Outline, depth: number) => Block | undefined

function blocks(lines: string[], targets: Outline, depth: number): Child[] {
  const children: Child[] = []
  for (let at = 0; at < lines.length && !isFull(targets);) {
    if (lines[at]!.trim() === '') {
      at++
      continue
    }
    const rules =
      depth < nestingMax ? [fence, heading, element, line, quote, list, table] : [fence, heading]
    const found: Block =
      firstOf(rules, (rule: Rule) => rule(lines, at, targets, depth)) ??
      paragraph(lines, at, targets)
    children.push(found.children)
    targets.elements++
    at = found.next
  }
  return children
}

function firstOf(rules: Rule[], apply: (rule: Rule) => Block | undefined): Block | undefined {
  for (const rule of rules) {
    const block = apply(rule)
    if (block !== undefined) return block
  }
  return undefined
}

const fence: Rule = (lines, at) => {
  const open = /^ {0,3}(`{3,}|~{3,})/.exec(lines[at]!)?.[1]
  if (open === undefined) return undefined
  let end = at + 1
  while (end < lines.length && !lines[end]!.trim().startsWith(open)) end++
  return { children: <pre tabindex={0}>{lines.slice(at + 1, end).join('\n')}</pre>, next: end + 1 }
}

const heading: Rule = (lines, at, targets) => {
  const [whole, marks] = /^ {0,3}(#{1,6})\s+/.exec(lines[at]!) ?? []
  if (whole === undefined || marks === undefined) return undefined
  const children = inline(withoutClosingMarks(lines[at]!.slice(whole.length)), targets)
  return { children: headingOf(marks.length, children, targets), next: at + 1 }
}

function headingOf(wanted: number, children: Child, targets: Outline): Child {
  const level = Math.min(6, wanted + targets.above, targets.level + 1)
  targets.level = level
  const Tag = `h${level}` as 'h3'
  return <Tag>{children}</Tag>
}

const element: Rule = (lines, at, targets, depth) => {
  const found = readHtml(lines, at, elementsMax)
  if (found === undefined) return undefined
  targets.elements += found.elements
  const children = renderNodes(found.nodes, {
    blocks: (text) => blocks(text.split('\n'), targets, depth + 1),
    inline: (text) => inline(text, targets, { depth: 0, isHtml: true }),
    heading: (level, inner) => headingOf(level, inner, targets),
  })
  return { children, next: found.next }
}

/** CommonMark 4.2: a closing sequence of `#` is not part of the heading if a space precedes it. */
function withoutClosingMarks(text: string): string {
  const trimmed = text.trimEnd()
  let end = trimmed.length
  while (end > 0 && trimmed[end - 1] === '#') end--
  return end === 0 || /\s/.test(trimmed[end - 1]!) ? trimmed.slice(0, end).trimEnd() : trimmed
}

const line: Rule = (lines, at) =>
  /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/.test(lines[at]!)
    ? { children: <hr />, next: at + 1 }
    : undefined

const quote: Rule = (lines, at, targets, depth) => {
  let end = at
  while (end < lines.length && /^ {0,3}>/.test(lines[end]!)) end++
  if (end === at) return undefined
  const inner = lines.slice(at, end).map((each) => each.replace(/^ {0,3}> ?/, ''))
  return { children: <blockquote>{blocks(inner, targets, depth + 1)}</blockquote>, next: end }
}

const bullet = /^( {0,3})([-*+]|\d{1,9}[.)])\s+/

const list: Rule = (lines, at, targets, depth) => {
  const first = bullet.exec(lines[at]!)
  if (first === null) return undefined
  const isOrdered = /\d/.test(first[2]!)
  const items: Child[] = []
  let end = at
  while (end < lines.length && !isFull(targets)) {
    const start = bullet.exec(lines[end]!)
    if (start === null || /\d/.test(start[2]!) !== isOrdered) break
    const inner = [lines[end]!.slice(start[0].length)]
    for (end++; end < lines.length && belongs(lines, end); end++)
      inner.push(lines[end]!.replace(/^(?: {2,4}|\t)/, ''))
    items.push(<li>{item(inner, targets, depth)}</li>)
    targets.elements++
  }
  return { children: isOrdered ? <ol>{items}</ol> : <ul>{items}</ul>, next: end }
}

/** Whether a line continues the list item before it. */
function belongs(lines: string[], at: number): boolean {
  const text = lines[at]!
  if (text.trim() === '') return /^(?: {2,}|\t)\S/.test(lines[at + 1] ?? '')
  return /^(?: {2,}|\t)/.test(text)
}

function item(lines: string[], targets: Outline, depth: number): Child {
  const [task, mark] = /^\[([ xX])\]\s+/.exec(lines[0]!) ?? []
  if (task !== undefined) lines[0] = `${mark === ' ' ? '☐' : '☑'} ${lines[0]!.slice(task.length)}`
  return lines.length === 1 ? inline(lines[0]!, targets) : blocks(lines, targets, depth + 1)
}

const table: Rule = (lines, at, targets) => {
  const isTable =
    lines[at]!.includes('|') &&
    /^\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$/.test((lines[at + 1] ?? '').trim())
  if (!isTable) return undefined
  let end = at + 2
  while (end < lines.length && lines[end]!.includes('|')) end++
  const cells = (text: string): string[] => {
    if (isFull(targets)) return []
    const found = text
      .trim()
      .replace(/^\||\|$/g, '')
      .split(/(?<!\\)\|/, elementsMax)
    targets.elements += found.length
    return found.map((cell) => cell.trim())
  }
  // Only alignment to the right is kept: it is what columns of numbers have.
  const classes = lines[at + 1]!.replaceAll(/\s/g, '')
    .replace(/^\|/, '')
    .split('|', elementsMax)
    .map((mark) => (/^-+:$/.test(mark) ? 'number' : undefined))
  return {
    next: end,
    children: (
      <div class="scroll" tabindex={0} role="region" aria-label="Table">
        <table>
          <thead>
            <tr>
              {cells(lines[at]!).map((cell, index) => (
                <th scope="col" class={classes[index]}>
                  {inline(cell, targets)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines.slice(at + 2, Math.min(end, at + 2 + elementsMax)).map((row) => (
              <tr>
                {cells(row).map((cell, index) => (
                  <td class={classes[index]}>{inline(cell, targets)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    ),
  }
}

function paragraph(lines: string[], at: number, targets: Outline): Block {
  let end = at + 1
  while (
    end < lines.length &&
    !startsHtml(lines[end]!) &&
    !/^\s*$|^ {0,3}(?:#{1,6}\s|```|~~~|>|[-*+]\s|\d+[.)]\s)/.test(lines[end]!)
  )
    end++
  return { children: <p>{inline(lines.slice(at, end).join('\n'), targets)}</p>, next: end }
}

/** Where running text is: how deep in marks, and whether in HTML, where only tags have a
 *  meaning. */
interface Place {
  depth: number
  isHtml: boolean
}

function inline(
  text: string,
  targets: Outline,
  place: Place = { depth: 0, isHtml: false },
): Child[] {
  const children: Child[] = []
  let from = 0
  for (const found of findSpans(text, place.isHtml)) {
    if (isFull(targets)) break
    if (found.start > from) children.push(decodeEntities(text.slice(from, found.start)))
    children.push(elementOf(found, targets, place))
    targets.elements++
    from = found.end
  }
  children.push(decodeEntities(text.slice(from)))
  return children
}

function elementOf(span: Span, targets: Outline, { depth, isHtml }: Place): Child {
  const inner = (text: string): Child =>
    depth < spanNestingMax ? inline(text, targets, { depth: depth + 1, isHtml }) : text
  switch (span.kind) {
    case 'code':
      return <code>{span.text}</code>
    case 'picture':
      return image(span.label, span.target, targets)
    case 'link':
      return anchor(inner(span.label), span.target, targets)
    case 'strong':
      return <strong>{inner(span.text)}</strong>
    case 'emphasis':
      return <em>{inner(span.text)}</em>
    case 'struck':
      return <del>{inner(span.text)}</del>
    case 'address':
      return anchor(span.label, span.target, targets)
    case 'element':
      return tagged(span, inner, targets)
    case 'nothing':
      return ''
  }
}

function tagged(
  { tag, attributes, text }: Span & { kind: 'element' },
  inner: (text: string) => Child,
  targets: Outline,
): Child {
  switch (tag) {
    case 'br':
      return <br />
    case 'img':
      return image(attributes['alt'] ?? '', attributes['src'] ?? '', targets)
    case 'a':
      return anchor(inner(text), attributes['href'] ?? '#', targets)
    case 'code':
    case 'tt':
      return <code>{inline(text, targets, { depth: spanNestingMax, isHtml: true })}</code>
    default: {
      const Tag = (tag === 'strike' ? 's' : tag) as 'b'
      return <Tag>{inner(text)}</Tag>
    }
  }
}
