/** Makes elements of the HTML that Markdown becomes or contains: each known tag becomes an element
 *  of ours, with the attributes chosen here, so there is nothing to sanitize. */
import { Parser } from 'htmlparser2'
import type { Child } from 'hono/jsx'
import { createHeadingIds } from './heading-ids.ts'
import { anchor, image, type LinkTargets } from './markdown-links.tsx'

/** There are more elements than a page can show, or they are nested too deeply. */
export class TooLarge extends Error {}

/** Elements that are shown as another one. */
const shownAs: ReadonlyMap<string, string> = new Map([
  ['abbr', 'span'],
  ['article', 'div'],
  ['center', 'div'],
  ['figcaption', 'div'],
  ['figure', 'div'],
  ['font', 'span'],
  ['picture', 'span'],
  ['section', 'div'],
  ['strike', 's'],
  ['tt', 'code'],
])

export const knownTags: ReadonlySet<string> = new Set([
  ...shownAs.keys(),
  ...(
    'a b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins ' +
    'kbd li mark ol p pre q s samp small source span strong sub summary sup table tbody td tfoot ' +
    'th thead tr u ul var'
  ).split(' '),
])

/** Deeper elements are left out, and their contents kept. */
const shownDepthMax = 32
/** Closing a tag takes the parser time proportional to this. */
const depthMax = 1000

/** By lower-case name. */
type Attributes = Readonly<Record<string, string>>

/** An open element. `tag` is undefined if only its contents are shown. */
interface Frame {
  tag: string | undefined
  attributes: Attributes
  children: Child[]
}

/** An open heading, and its text so far. */
interface Heading {
  depth: number
  text: string
}

/** Headings start below level `above`, the page's own, and skipped levels are closed, so that the
 *  outline has no gaps. Errors: TooLarge. */
export function elementsOf(
  html: string,
  targets: LinkTargets,
  above: number,
  elementsMax: number,
): Child[] {
  const root: Frame = { tag: undefined, attributes: {}, children: [] }
  const open = [root]
  let elements = 0
  let level = above
  let heading: Heading | undefined
  const headingId = createHeadingIds()

  const top = (): Frame => open.at(-1)!
  const headingOf = (tag: string): string => {
    level = Math.min(6, Number(tag[1]) + above, level + 1)
    return `h${level}`
  }
  const parser = new Parser({
    onopentag: (name, attributes) => {
      elements += 1
      if (elements > elementsMax || open.length > depthMax) throw new TooLarge()
      const isHeading = /^h\d$/.test(name)
      const tag = isHeading ? headingOf(name) : name
      if (isHeading && targets.hasHeadings === true) heading = { depth: open.length, text: '' }
      const isShown = open.length <= shownDepthMax && !(name === 'code' && top().tag === 'pre')
      open.push({
        tag: isShown ? tag : undefined,
        attributes,
        children: isShown ? [] : top().children,
      })
    },
    onclosetag: () => {
      const { tag, attributes, children } = open.pop()!
      const ended = heading?.depth === open.length ? heading : undefined
      if (ended !== undefined) heading = undefined
      if (tag === undefined) return
      if (ended !== undefined) {
        const Tag = tag as 'h2'
        top().children.push(<Tag id={headingId(ended.text)}>{children}</Tag>)
        return
      }
      const isHead = tag === 'th' && open.at(-2)?.tag === 'thead'
      const shown = isHead ? { ...attributes, scope: 'col' } : attributes
      top().children.push(elementOf(tag, shown, children, targets))
    },
    ontext: (text) => {
      if (heading !== undefined) heading.text += text
      const { tag, children } = top()
      const isFirst = children.length === 0 || (children.length === 1 && children[0] === '\n')
      const block = tag === 'p' ? open.at(-2)!.tag : tag
      if (isFirst && block === 'li') children.push(withBox(text))
      else if (isFirst && block === 'blockquote') children.push(...withAlert(text))
      else children.push(text)
    },
  })
  parser.end(html)
  return root.children
}

/** A task's box, which nobody can tick here. */
function withBox(text: string): string {
  return text.replace(/^\[([ x])\](?=\s)/i, (_, mark) => (mark === ' ' ? '☐' : '☑'))
}

/** GitHub's alerts are quotes that begin with their kind. */
function withAlert(text: string): Child[] {
  const [mark, first, rest = ''] = /^\[!([A-Z])([A-Z]+)\](?=\n|$)/.exec(text) ?? []
  if (mark === undefined) return [text]
  return [<strong>{`${first}${rest.toLowerCase()}`}</strong>, <br />, text.slice(mark.length)]
}

function elementOf(
  tag: string,
  attributes: Attributes,
  children: Child[],
  targets: LinkTargets,
): Child {
  switch (tag) {
    case 'br':
      return <br />
    case 'hr':
      return <hr />
    // Another form of a picture, whose `img` is shown.
    case 'source':
      return ''
    case 'img':
      return image(attributes['alt'] ?? '', attributes['src'] ?? '', targets)
    case 'a':
      return anchor(children, attributes['href'] ?? '#', targets)
    case 'pre':
      return <pre tabindex={0}>{withoutLastBreak(children)}</pre>
    case 'ol':
      return <ol start={numberIn(attributes['start'], 0, 999_999_999)}>{children}</ol>
    case 'details':
      return <details open={attributes['open'] !== undefined}>{children}</details>
    case 'table':
      return (
        <div class="scroll" tabindex={0} role="region" aria-label="Table">
          <table>{children}</table>
        </div>
      )
    case 'td':
    case 'th': {
      const Cell = tag
      return (
        <Cell
          scope={attributes['scope'] === 'col' ? 'col' : undefined}
          class={isRight(attributes) ? 'number' : undefined}
          // HTML's own bound is 1000.
          colspan={numberIn(attributes['colspan'], 2, 1000)}
          rowspan={numberIn(attributes['rowspan'], 2, 1000)}
        >
          {children}
        </Cell>
      )
    }
    default: {
      const Tag = (shownAs.get(tag) ?? tag) as 'div'
      return <Tag>{children}</Tag>
    }
  }
}

/** Only this alignment is kept: it is what columns of numbers have. */
function isRight({ align, style }: Attributes): boolean {
  return align === 'right' || style === 'text-align:right'
}

function withoutLastBreak(children: Child[]): Child[] {
  const last = children.at(-1)
  const isBreak = typeof last === 'string' && last.endsWith('\n')
  return isBreak ? [...children.slice(0, -1), last.slice(0, -1)] : children
}

function numberIn(text: string | undefined, min: number, max: number): number | undefined {
  const number = Number(text)
  return Number.isSafeInteger(number) && number >= min && number <= max ? number : undefined
}
