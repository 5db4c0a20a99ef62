/** Renders Markdown, as GitHub's flavour has it. markdown-it makes HTML of it, and
 *  markdown-elements.tsx makes elements of that, so nothing that an author writes reaches a page
 *  as markup. Anybody can upload a text, so its size is bounded where parsing takes memory. */
import MarkdownIt from 'markdown-it'
import type { Child } from 'hono/jsx'
import { elementsOf, knownTags, TooLarge } from './markdown-elements.tsx'
import type { LinkTargets } from './markdown-links.tsx'

/** Renders the blocks of a text in order, below a heading of level `above`; undefined if they have
 *  more than `elementsMax` elements, are nested too deeply, or have a paragraph that is too long to
 *  be prose. */
export function markdownOf(text: string, targets: LinkTargets, above = 1): Child[] | undefined {
  try {
    return elementsOf(parser.render(text), targets, above, elementsMax)
  } catch (error) {
    if (error instanceof TooLarge) return undefined
    throw error
  }
}

/** At this bound, the rendering thread and the browser each take about half a second. */
const elementsMax = 50_000
/** Characters of a paragraph, heading or cell. */
const paragraphMax = 128 * 1024

const parser = new MarkdownIt({ html: true, linkify: true })
// GitHub links what is written with its scheme, and `www.` names, which may be files here.
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false })

// A block has up to three tokens. Parsing stops here, since the result will not be shown.
parser.block.ruler.before('table', 'bound', ({ tokens }) => {
  if (tokens.length > 3 * elementsMax) throw new TooLarge()
  return false
})
parser.core.ruler.before('inline', 'bound', ({ tokens }) => {
  for (const { type, content } of tokens)
    if (type === 'inline' && content.length > paragraphMax) throw new TooLarge()
})

parser.renderer.rules.html_inline = parser.renderer.rules.html_block = (tokens, index) =>
  withTextForTags(tokens[index]!.content)

/** Tags that no page may have are text: `Map<String>` says something to its reader. So are those
 *  in preformatted text, which steps that write a summary often do not escape. */
function withTextForTags(html: string): string {
  let isPreformatted = false
  return html.replaceAll(/<(\/?)([a-z][^\s/>]*)?/gi, (mark, slash: string, written = '') => {
    const name = String(written).toLowerCase()
    if (name === 'pre') isPreformatted = slash === ''
    const isText = isPreformatted && name !== 'pre' && name !== 'code'
    return isText || (name !== '' && !knownTags.has(name)) ? mark.replace('<', '&lt;') : mark
  })
}
