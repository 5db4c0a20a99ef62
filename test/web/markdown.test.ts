/** Markdown: how it is parsed, and that no input takes more than linear time. */
import { html } from 'hono/html'
import { describe, expect, test } from 'vitest'
import { markdownOf } from '../../src/web/preview/markdown.tsx'
import { unclosedMarks } from './unclosed-marks.ts'

const targets = { page: (path: string) => `/page/${path}`, raw: (path: string) => `/raw/${path}` }

async function render(text: string): Promise<string | undefined> {
  const shown = markdownOf(text, targets)
  return shown === undefined ? undefined : String(await html`${shown}`)
}

test.each(unclosedMarks)('%j repeated over 120 KiB is rendered quickly', async (mark) => {
  const begunAt = performance.now()
  await render(mark.repeat((120 * 1024) / mark.length))
  expect(performance.now() - begunAt).toBeLessThan(5000)
})

describe('headings of a document', () => {
  const render = async (text: string): Promise<string> =>
    String(await html`${markdownOf(text, { ...targets, hasHeadings: true })}`)

  // As github-slugger has them.
  test.each([
    ['# Installation', 'installation'],
    ['## How to `npm run` *it*?', 'how-to-npm-run-it'],
    ['# A &amp; B', 'a--b'],
    ['# snake_case, v1.2-rc', 'snake_case-v12-rc'],
    ['# Über 日本 Ｅ', 'über-日本-ｅ'],
    ['# <kbd>Ctrl</kbd> [link](a.md)', 'ctrl-link'],
  ])('%j has the id %j', async (text, id) => {
    expect(await render(text)).toMatch(new RegExp(`<h\\d id="user-content-${id}">`))
  })

  test('with equal text are numbered, and none gets the id of another', async () => {
    const ids = [...(await render('# A\n# A-1\n# A\n# A\n')).matchAll(/id="user-content-([^"]*)"/g)]
    expect(ids.map(([, id]) => id)).toEqual(['a', 'a-1', 'a-2', 'a-3'])
  })

  test.each([
    ['other.md#Some-%C3%9Cber', '/page/other.md#user-content-some-%C3%BCber'],
    ['docs/a.markdown?x#b"c', '/page/docs/a.markdown#user-content-b%22c'],
    ['src/a.ts#L12', '/page/src/a.ts#L12'],
    ['other.md#', '/page/other.md'],
    ['a.ts#main', '/page/a.ts'],
    ['a.ts#L1" x', '/page/a.ts'],
  ])('of another file, and lines, are what %j leads to', async (target, href) => {
    const link = `[x](<${target}>)`
    for (const shown of [await render(link), String(await html`${markdownOf(link, targets)}`)])
      expect(shown).toContain(`<a href="${href}"`)
  })

  test('are what its fragments lead to, and nothing else of the page is', async () => {
    const links = '[a](#installation) [b](#Über-uns) [c](#%C3%BCber-uns) [d](#"x) [e](#)'
    const shown = await render(links)
    const hrefs = [...shown.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)
    const about = '#user-content-%C3%BCber-uns'
    expect(hrefs).toEqual(['#user-content-installation', about, about, '#user-content-%22x'])
    expect(await render('<h1 id="main" name="x">a</h1>')).toBe('<h2 id="user-content-a">a</h2>')
    // Of several texts on one page none has ids.
    expect(String(await html`${markdownOf('# a\n[a](#a)', targets)}`)).not.toMatch(/id=|href=/)
  })
})

describe('inline marks', () => {
  test.each([
    ['a `code` and ``two``', 'a <code>code</code> and <code>two</code>'],
    [
      '**strong** *em* _em_ __s__ ~~x~~',
      '<strong>strong</strong> <em>em</em> <em>em</em> <strong>s</strong> <s>x</s>',
    ],
    ['snake_case_name 2 * 3 \\*a\\*', 'snake_case_name 2 * 3 *a*'],
    [
      '[a](b "title") ![](c.png)',
      '<a href="/page/b" rel="noreferrer nofollow ugc">a</a> <img src="/raw/c.png" alt="" loading="lazy"/>',
    ],
    ['[a][1]\n\n[1]: https://a.b', '<a href="https://a.b" rel="noreferrer nofollow ugc">a</a>'],
    [
      'https://c.d/(e), a.md',
      '<a href="https://c.d/(e)" rel="noreferrer nofollow ugc">https://c.d/(e)</a>, a.md',
    ],
    [
      '<https://a.b> <a@b.c>',
      '<a href="https://a.b" rel="noreferrer nofollow ugc">https://a.b</a> <span>a@b.c</span>',
    ],
    ['a  \nb', 'a<br/>\nb'],
  ])('%j becomes elements', async (text, expected) => {
    expect((await render(text))?.trim()).toBe(`<p>${expected}</p>`)
  })
})

describe('blocks', () => {
  test('headings lose their closing marks, and nothing else', async () => {
    expect(await render('# One #\n## C#\n### #')).toBe('<h2>One</h2>\n<h3>C#</h3>\n<h4></h4>\n')
  })

  test.each([
    ['One\n===', '<h2>One</h2>'],
    ['    code', '<pre tabindex="0">code</pre>'],
    ['```js\na\n\nb\n```', '<pre tabindex="0">a\n\nb</pre>'],
    ['3. a\n   - b', '<ol start="3">\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n</ol>'],
    ['- [ ] a\n- [x] b\n- [c] d', '<ul>\n<li>☐ a</li>\n<li>☑ b</li>\n<li>[c] d</li>\n</ul>'],
    ['- [X] a\n\n- b', '<ul>\n<li>\n<p>☑ a</p>\n</li>\n<li>\n<p>b</p>\n</li>\n</ul>'],
    ['> [!NOTE]\n> a', '<blockquote>\n<p><strong>Note</strong><br/>\na</p>\n</blockquote>'],
    ['> [!NOTE] a', '<blockquote>\n<p>[!NOTE] a</p>\n</blockquote>'],
    ['> a\nb', '<blockquote>\n<p>a\nb</p>\n</blockquote>'],
  ])('%j becomes elements', async (text, expected) => {
    expect((await render(text))?.trim()).toBe(expected)
  })

  test('a table keeps its cells', async () => {
    expect(await render('a|b\n-|-')).toContain('<th scope="col">a</th>')
    expect(await render('a|b\n :-: | - \n1|`2`')).toContain('<td>1</td>\n<td><code>2</code></td>')
    expect(await render('|a|b|\n  | - | -: |\n|x|2|')).toContain(
      '<td>x</td>\n<td class="number">2</td>',
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
    await render(text)
    expect(performance.now() - begunAt).toBeLessThan(5000)
  })

  test.each([
    '*a* '.repeat(60_000),
    'a\n\n'.repeat(60_000),
    '- a\n'.repeat(60_000),
    `a|b\n-|-\n${'x|\n'.repeat(30_000)}`,
  ])('a text with too many elements is not rendered', async (text) => {
    expect(await render(text)).toBeUndefined()
  })
})

describe('HTML', () => {
  test.each([
    ['a<br>b <sub>c</sub>', '<p>a<br/>b <sub>c</sub></p>'],
    ['**a <b>b</b>** </i> <b>c', '<p><strong>a <b>b</b></strong> <b>c</b></p>'],
    ['<code>a_b_c&lt;</code> `&lt;`', '<p><code>a_b_c&lt;</code> <code>&amp;lt;</code></p>'],
    ['1 &lt; 2 &#38; 3&nbsp;&unknown;', '<p>1 &lt; 2 &amp; 3\u00a0&amp;unknown;</p>'],
    ['a&#10;b &#8; &#xD800; &#x110000;', '<p>a\nb \ufffd \ufffd \ufffd</p>'],
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
      `${table}\n\n<pre lang="js"><code>if (a < b &amp;&amp; c) { <div> }\n\n# no heading</code></pre>\n`,
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
    ).toBe(
      '<details open="">\n<summary>More <b>of</b> it</summary>\n<ul>\n<li><strong>a</strong></li>\n</ul>\n' +
        '<pre tabindex="0">&lt;/details&gt;</pre>\n</details>\n<p>after</p>\n',
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
    ['Map<String, T<a>>', 'Map&lt;String, T'],
    ['`a` List<String> b', 'List&lt;String> b'],
    [
      '<picture><source srcset="https://a.b/c.png"><img src="c.png" alt="A"></picture>',
      '<span><img src="/raw/c.png" alt="A" loading="lazy"/></span>',
    ],
  ])('%j has only the elements and attributes that are allowed', async (text, expected) => {
    const shown = (await render(text))?.replaceAll('&gt;', '>').replaceAll('&quot;', '"')
    expect(shown).toContain(expected)
    expect(shown).not.toMatch(/<[a-z][^>]*\s(?:on\w+|style|id|class="toast"|target)=/)
  })
})
