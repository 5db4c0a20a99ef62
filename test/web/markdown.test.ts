/** Markdown: how it is parsed, and that no input takes more than linear time. */
import { html } from 'hono/html'
import { describe, expect, test } from 'vitest'
import { markdownOf } from '../../src/web/preview/markdown.tsx'
import { findSpans } from '../../src/web/preview/markdown-spans.ts'

const targets = { page: (path: string) => `/page/${path}`, raw: (path: string) => `/raw/${path}` }

async function render(text: string): Promise<string | undefined> {
  const shown = markdownOf(text, targets)
  return shown === undefined ? undefined : String(await html`${shown}`)
}

describe('inline marks', () => {
  const spans = (text: string): string[] =>
    [...findSpans(text)].map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`)

  test.each([
    ['a `code` and ``two``', ['code `code`', 'code ``two``']],
    ['```a`', ['code `a`']],
    ['`a``', []],
    ['**strong** *em* ~~gone~~', ['strong **strong**', 'emphasis *em*', 'struck ~~gone~~']],
    ['**a*b* 2 * 3 ****', ['emphasis *a*']],
    ['[a](b "title") ![](c) [](d)', ['link [a](b "title")', 'picture ![](c)']],
    ['[a] [b](<c d>)', ['link [b](<c d>)']],
    ['<https://a.b> https://c.d/(e) http://', ['address <https://a.b>', 'address https://c.d/']],
    ['<http://a b', ['address http://a']],
  ])('%j', (text, expected) => {
    expect(spans(text)).toEqual(expected)
  })

  // At this length, each of these made the former regular expressions backtrack for minutes or for
  // ever.
  test.each([
    '![](a',
    '[a](x',
    '[a](b ',
    '[',
    '[a](<',
    '`',
    '`a',
    '``a `',
    '*a ',
    '**a',
    '~~a~',
    '<http://a',
    'http://',
  ])('unclosed marks are parsed quickly: %j repeated over 1 MiB', (mark) => {
    const text = mark.repeat((1024 * 1024) / mark.length)
    const begunAt = performance.now()
    const found = [...findSpans(`${text}\u0000`)]
    expect(found.length).toBeLessThan(text.length)
    expect(performance.now() - begunAt).toBeLessThan(5000)
  })
})

describe('blocks', () => {
  test('headings lose their closing marks, and nothing else', async () => {
    expect(await render('# One #\n## C#\n### #')).toBe('<h2>One</h2><h3>C#</h3><h4></h4>')
  })

  test('a table keeps its cells', async () => {
    expect(await render('a|b\n :-: | - \n1|`2`')).toContain('<td>1</td><td><code>2</code></td>')
  })

  test.each([
    ['a heading', `# a${' '.repeat(500_000)}b`],
    ['a heading', `# a${'#'.repeat(500_000)}b`],
    ['a possible table', `a|b\n-${' '.repeat(500_000)}x`],
    ['a possible table', `a|b\n${' '.repeat(500_000)}x`],
  ])('%s with a character repeated 500,000 times is parsed quickly', async (_, text) => {
    const begunAt = performance.now()
    expect(await render(text)).toBeDefined()
    expect(performance.now() - begunAt).toBeLessThan(5000)
  })

  test.each([
    '*a* '.repeat(60_000),
    'a\n\n'.repeat(60_000),
    '- a\n'.repeat(60_000),
    `a|b\n-|-\n${'|'.repeat(60_000)}`,
  ])('a text with too many elements is not rendered', async (text) => {
    expect(await render(text)).toBeUndefined()
  })
})
