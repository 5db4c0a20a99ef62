/** Renders the HTML in Markdown: each tag as an element of ours, with the attributes chosen
 *  here. */
import type { Child } from 'hono/jsx'
import { decodeEntities } from '../../core/markup/entities.ts'
import type { HtmlElement, HtmlNode } from './markdown-html.ts'

/** How the text between tags is rendered. */
export interface Content {
  /** Markdown. */
  blocks(text: string): Child
  /** Running text, in which only tags have a meaning. */
  inline(text: string): Child
  /** A heading of a level that the author chose. */
  heading(level: number, children: Child): Child
}

export function renderNodes(nodes: HtmlNode[], content: Content): Child[] {
  return nodes.map((node) =>
    typeof node === 'string' ? renderText(node, content) : renderElement(node, content),
  )
}

/** As in CommonMark §4.6, text after a blank line is Markdown again. */
function renderText(text: string, content: Content): Child {
  if (text.trim() === '') return ''
  return /\n[ \t]*\n/.test(text) ? content.blocks(text) : content.inline(text)
}

function renderElement(element: HtmlElement, content: Content): Child {
  const { tag, attributes, children } = element
  const inner = (): Child => renderNodes(children, content)
  switch (tag) {
    case 'hr':
      return <hr />
    case 'pre':
      return <pre tabindex={0}>{codeOf(children)}</pre>
    case 'details':
      return <details open={attributes['open'] !== undefined}>{inner()}</details>
    case 'table':
      return (
        <div class="scroll" tabindex={0} role="region" aria-label="Table">
          <table>{inner()}</table>
        </div>
      )
    case 'td':
    case 'th': {
      const Cell = tag
      return (
        <Cell colspan={span(attributes['colspan'])} rowspan={span(attributes['rowspan'])}>
          {inner()}
        </Cell>
      )
    }
    case 'center':
    case 'section':
      return <div>{inner()}</div>
    default: {
      const level = /^h([1-6])$/.exec(tag)?.[1]
      if (level !== undefined) return content.heading(Number(level), inner())
      const Tag = tag as 'div'
      return <Tag>{inner()}</Tag>
    }
  }
}

/** Preformatted text, without the `code` element that usually is around it. */
function codeOf(children: HtmlNode[]): string {
  const text = children.filter((child) => typeof child === 'string').join('')
  // `trimEnd`, since a pattern for the blanks at the end would be tried at each blank of the text.
  const code = text.replace(/^\s*<code[^<>]*>/i, '').trimEnd()
  return decodeEntities(code.replace(/<\/code>$/i, ''))
}

/** HTML's own bound on `colspan` is 1000. */
function span(text: string | undefined): number | undefined {
  const cells = Number(text)
  return Number.isSafeInteger(cells) && cells > 1 && cells <= 1000 ? cells : undefined
}
