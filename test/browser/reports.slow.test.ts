/** Reports of many files on the content origin: their scripts run, their relative links work,
 *  and nothing that they do reaches the pages, the API or the session. Without a content origin
 *  no script runs, and the page names the setting. */
import type { FrameLocator, Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import type { TarEntry } from '../http/archives-of.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig, watchFaults } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('reports on the content origin')

/** What a hostile document would try, each in a document of its own. Each expression yields a
 *  non-empty text if it succeeds. */
function trials(app: string): Record<string, string> {
  return {
    'reads a cookie': 'document.cookie',
    'asks the API': `await fetch('${app}/api/v1/artifacts', { credentials: 'include' }).then(() => 'reached')`,
    'asks for a page': `await fetch('${app}/', { mode: 'no-cors', credentials: 'include' }).then(() => 'reached')`,
    'reads the page around it': 'parent.document.title',
    'shows a picture of the app': `await new Promise((done) => { const image = new Image(); image.onload = () => done('reached'); image.onerror = () => done(''); image.src = '${app}/favicon.ico' })`,
    'leads the page elsewhere': `(top.location = '${app}/admin/maintenance', '')`,
    'submits a form': "(document.forms[0].submit(), '')",
  }
}

/** A report as test runners and coverage tools write it: scripts, modules, styles, data fetched by
 *  relative addresses, pages in directories with links to the parent, and settings in storage. */
function reportFiles(app: string): TarEntry[] {
  return [
    {
      name: 'html/index.html',
      content:
        '<!doctype html><html><head><meta charset="utf-8"><title>Report</title>' +
        '<link rel="stylesheet" href="css/report.css"></head><body><h1>Report</h1>' +
        '<p id="plain">no script ran</p><p id="data">no data</p><p id="module">no module</p>' +
        '<p id="theme"></p><a href="deep/sum.html">sum.js</a>' +
        '<script src="js/report.js"></script><script type="module" src="js/module.mjs"></script></body></html>',
    },
    { name: 'html/css/report.css', content: 'h1 { color: rgb(1, 2, 3) }' },
    {
      name: 'html/js/report.js',
      content:
        "const say = (id, text) => { document.getElementById(id).textContent = text }\nsay('plain', 'a script ran')\n" +
        "localStorage.setItem('theme', 'dark'); say('theme', localStorage.getItem('theme'))\n" +
        "fetch('data/results.json').then((r) => r.json()).then(({ passed }) => say('data', passed + ' passed'))\n",
    },
    {
      name: 'html/js/module.mjs',
      content:
        "import { text } from './part.mjs'\ndocument.getElementById('module').textContent = text\n",
    },
    { name: 'html/js/part.mjs', content: "export const text = 'a module ran'\n" },
    { name: 'html/data/results.json', content: '{"passed": 41}' },
    {
      name: 'html/deep/sum.html',
      content:
        '<!doctype html><title>sum.js</title><link rel="stylesheet" href="../css/report.css"><h1>sum.js</h1>' +
        '<a href="../index.html">All files</a>',
    },
    ...Object.entries(trials(app)).map(([name, code]) => ({
      name: `trials/${name}.html`,
      content:
        `<!doctype html><pre id="outcome"></pre><form action="${app}/sign-out" method="post"></form>` +
        `<script type="module">let outcome = ''\ntry { outcome = ${code} } catch {}\n` +
        "document.getElementById('outcome').textContent = outcome === '' ? 'refused' : outcome</script>",
    })),
  ]
}

/** Collects the requests that frames send to the app. */
function watchFrames(page: Page, app: string): string[] {
  const reached: string[] = []
  page.on('requestfinished', (request) => {
    const isOfFrame = request.frame() !== page.mainFrame()
    if (isOfFrame && request.url().startsWith(app)) reached.push(request.url())
  })
  return reached
}

describe.skipIf(!hasChromium).each([
  ['one host for all artifacts', 'http://content.localhost'],
  ['one host per artifact', 'http://*.content.localhost'],
])('with a content origin, %s, a report', (_, contentUrl) => {
  let rig: Rig
  let page: Page
  let id: number
  beforeAll(async () => {
    rig = await openRig({ TROVE_CONTENT_URL: contentUrl })
    id = await putTar(rig.server, '1/artifacts/report', reportFiles(rig.server.url))
    page = await (await rig.context()).newPage()
    return rig.close
  }, 60_000)

  const open = async (): Promise<FrameLocator> => {
    await page.goto(`/octo/app/actions/runs/1/artifacts/${id}/blob/html/index.html`)
    const frame = page.frameLocator('iframe')
    await frame.getByText('41 passed').waitFor()
    return frame
  }
  const textOf = async (frame: FrameLocator, selector: string): Promise<string | null> =>
    await frame.locator(selector).textContent()

  test('runs its scripts, loads its parts and follows its relative links', async () => {
    const faults = watchFaults(page)
    const frame = await open()
    await frame.getByText('a module ran').waitFor()
    expect(await textOf(frame, '#plain')).toBe('a script ran')
    expect(await textOf(frame, '#theme')).toBe('dark')
    expect(
      await frame.locator('h1').evaluate('getComputedStyle(document.querySelector("h1")).color'),
    ).toBe('rgb(1, 2, 3)')
    await frame.getByRole('link', { name: 'sum.js' }).click()
    await frame.getByRole('heading', { name: 'sum.js' }).waitFor()
    await frame.getByRole('link', { name: 'All files' }).click()
    await frame.getByText('41 passed').waitFor()
    expect(await page.getByText('TROVE_CONTENT_URL').count()).toBe(0)
    expect(faults).toEqual([])
  })

  test.each(Object.keys(trials('')))('that %s is stopped, and sends no cookie', async (name) => {
    const reached = watchFrames(page, rig.server.url)
    const cookies: Promise<string | undefined>[] = []
    page.on('requestfinished', (request) => {
      if (request.url().includes('/content/'))
        cookies.push(request.allHeaders().then(({ cookie }) => cookie))
    })
    const place = `/octo/app/actions/runs/1/artifacts/${id}/blob/trials/${encodeURIComponent(name)}.html`
    await page.goto(place)
    await page.frameLocator('iframe').getByText('refused').waitFor()
    expect(new URL(page.url()).pathname).toBe(place)
    expect(reached).toEqual([])
    expect(cookies.length).toBeGreaterThan(0)
    expect(await Promise.all(cookies)).toEqual(cookies.map(() => undefined))
  })

  test('opened in a tab of its own works as well, away from our origin', async () => {
    await open()
    const own = await page.getByRole('link', { name: 'Open in a new tab' }).getAttribute('href')
    const tab = await page.context().newPage()
    await tab.goto(own ?? '')
    await tab.getByText('41 passed').waitFor()
    expect(new URL(tab.url()).hostname).toMatch(/(^|\.)content\.localhost$/)
    expect(await tab.locator('#theme').textContent()).toBe('dark')
    await tab.close()
  })
})

describe.skipIf(!hasChromium)('without a content origin', () => {
  test('a report is shown without scripts, and the page names the setting that allows them', async () => {
    const rig = await openRig()
    try {
      const id = await putTar(rig.server, '1/artifacts/report', reportFiles(rig.server.url))
      const page = await (await rig.context()).newPage()
      const reached = watchFrames(page, `${rig.server.url}/api`)
      await page.goto(`/octo/app/actions/runs/1/artifacts/${id}/blob/html/index.html`, {
        waitUntil: 'networkidle',
      })
      await page.getByText(/set TROVE_CONTENT_URL on the server/).waitFor()
      const frame = page.frameLocator('iframe')
      expect(await frame.locator('#plain').textContent()).toBe('no script ran')
      expect(await frame.locator('#module').textContent()).toBe('no module')
      // Its style sheet still loads, since the path contains the credential, and its links work.
      expect(
        await frame.locator('h1').evaluate('getComputedStyle(document.querySelector("h1")).color'),
      ).toBe('rgb(1, 2, 3)')
      await frame.getByRole('link', { name: 'sum.js' }).click()
      await frame.getByRole('heading', { name: 'sum.js' }).waitFor()
      expect(reached).toEqual([])
    } finally {
      await rig.close()
    }
  })
})
