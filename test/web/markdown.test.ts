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
    '<b>',
    '<b ',
    '<b a="',
    '<b></i>',
    '</b ',
    '<!--',
    '<img alt=',
    '<a href="x" ',
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
    expect(await render('|a|b|\n  | - | -: |\n|x|2|')).toContain(
      '<td>x</td><td class="number">2</td>',
    )
  })

  test.each([
    ['a heading', `# a${' '.repeat(500_000)}b`],
    ['a heading', `# a${'#'.repeat(500_000)}b`],
    ['a possible table', `a|b\n-${' '.repeat(500_000)}x`],
    ['a table below a long line', `a|b\n${'-'.repeat(500_000)}\n${'|\n'.repeat(40_000)}`],
    ['a possible table', `a|b\n${' '.repeat(500_000)}x`],
    ['preformatted text', `<pre>${' '.repeat(500_000)}x</pre>`],
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

describe('HTML', () => {
  test.each([
    ['a<br>b <sub>c</sub>', '<p>a<br/>b <sub>c</sub></p>'],
    ['**a <b>b</b>** </i> <b>c', '<p><strong>a <b>b</b></strong>  c</p>'],
    ['<code>a*b*c&lt;</code> `&lt;`', '<p><code>a*b*c&lt;</code> <code>&amp;lt;</code></p>'],
    ['1 &lt; 2 &#38; 3&nbsp;&unknown;', '<p>1 &lt; 2 &amp; 3\u00a0&amp;unknown;</p>'],
    ['a&#10;b &#8; &#xD800; &#x110000;', '<p>a\nb &amp;#8; &amp;#xD800; &amp;#x110000;</p>'],
    ['a <!-- hidden --> b', '<p>a  b</p>'],
    ['<!-- hidden\n\n# still -->\n# One', '\n<h2>One</h2>'],
    ['<h1>One</h1>\n<h4>Two</h4>', '<h2>One</h2>\n<h3>Two</h3>\n'],
    ['<hr>\n<ul><li>a<li>b</ul>', '<hr/>\n<ul><li>a</li><li>b</li></ul>\n'],
    ['<p align="center">a\n\n**b**', '<p>a\n</p><p><strong>b</strong></p>'],
    ['<div>**a**</div>', '<div>**a**</div>\n'],
  ])('%j becomes elements', async (text, expected) => {
    expect((await render(text))?.replaceAll(/>\s+</g, '><').trim()).toBe(
      expected.replaceAll(/>\s+</g, '><').trim(),
    )
  })

  test('a table, code and details, as the summaries of actions write them', async () => {
    const table =
      '<table><tr><th>File</th><th>Result</th></tr><tr><td>a*b*.js</td><td colspan="2">✅</td></tr></table>'
    const shown = await render(
      `${table}\n<pre lang="js"><code>if (a < b &amp;&amp; c) { <div> }\n\n# no heading</code></pre>\n`,
    )
    expect(shown).toContain(
      '<table><tr><th>File</th><th>Result</th></tr><tr><td>a*b*.js</td><td colspan="2">✅</td></tr></table>',
    )
    expect(shown).toContain(
      '<pre tabindex="0">if (a &lt; b &amp;&amp; c) { &lt;div&gt; }\n\n# no heading</pre>',
    )
    expect(
      await render(
        '<details open>\n<summary>More <b>of</b> it</summary>\n\n- **a**\n\n```\n</details>\n```\n\n</details>\n\nafter',
      ),
    ).toMatch(
      /^<details open=""><summary>More <b>of<\/b> it<\/summary><ul><li><strong>a<\/strong><\/li><\/ul><pre tabindex="0">&lt;\/details&gt;<\/pre><\/details>\s*<p>after<\/p>$/,
    )
  })

  test.each([
    ['<script>alert(1)</script>', '&lt;script>alert(1)&lt;/script>'],
    ['<a href="javascript:alert(1)" onclick="x()">a</a>', '<span>a</span>'],
    ['<a href="java&#115;cript:alert(1)">a</a>', '<span>a</span>'],
    ['<a href="java&#10;script:alert(1)">a</a>', '<a href="/page/java\nscript:'],
    ['<a href="&#9;javascript:alert(1)">a</a>', '<a href="/page/\tjavascript:'],
    [
      '<a href="https://a.b/" target="_top">a</a>',
      '<a href="https://a.b/" rel="noreferrer nofollow ugc">a</a>',
    ],
    [
      '<img src="https://a.b/c.png" onerror="x()" alt="A">',
      '<a href="https://a.b/c.png" rel="noreferrer nofollow ugc">A</a>',
    ],
    ['<img src="c.png" alt="A">', '<img src="/raw/c.png" alt="A" loading="lazy"/>'],
    ['<b style="position:fixed" id="jobs" class="toast">a</b>', '<b>a</b>'],
    ['<form action="/sign-out"><button>x</button></form>', '&lt;form action="/sign-out">'],
    ['<details ontoggle="x()" open>a</details>', '<details open="">a</details>'],
    ['Map<String, T<a>>', 'Map&lt;String, T>'],
  ])('%j has only the elements and attributes that are allowed', async (text, expected) => {
    const shown = (await render(text))?.replaceAll('&gt;', '>').replaceAll('&quot;', '"')
    expect(shown).toContain(expected)
    expect(shown).not.toMatch(/<[a-z][^>]*\s(?:on\w+|style|id|class="toast"|target)=/)
  })

  test.each([
    '<div>\n',
    '<div><div>',
    '<table><tr><td>\n',
    '</div>\n',
    '<p>\n',
    '<!--\n',
    '<li>',
    '<details>\n\n```\n',
    '<div>`<div>\n\n',
    '<b><i>',
  ])('%j repeated over 256 KiB is rendered quickly', async (mark) => {
    const begunAt = performance.now()
    await render(mark.repeat((256 * 1024) / mark.length))
    expect(performance.now() - begunAt).toBeLessThan(5000)
  })
})
