/** A malicious artifact (hostile-files.ts), opened and used on every page that shows it. None of
 *  its scripts runs on the origin of the pages, none of its requests reaches the API or another
 *  server, and no page violates its own policy. */
import type { BrowserContext, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { hostileFiles, hostileText, openTrap, type Trap } from './hostile-files.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('hostile artifacts')

interface Watched {
  /** Scripts of the artifact that ran, with the origin that they ran on. */
  ran: string[]
  /** Policy violations on our own pages. Documents of the artifact may violate the policies that
   *  they are served with. */
  violations: string[]
  /** Errors thrown by pages. */
  faults: string[]
  /** Requests for anything but pages, their assets and the images that they show. */
  requests: string[]
}

/** Documents of the artifact are below `/content/`, on any origin. */
function isContent(address: string): boolean {
  return new URL(address, 'http://none').pathname.startsWith('/content/')
}

/** Frames belong to the artifact, and so does a page that is one of its files. */
function isOfArtifact(frame: Frame): boolean {
  return frame.parentFrame() !== null || isContent(frame.url()) || isRaw(frame.url())
}

function isRaw(address: string): boolean {
  return /^\/api\/v1\/artifacts\/\d+\/files\//.test(new URL(address, 'http://none').pathname)
}

async function watch(context: BrowserContext, page: Page, origin: string): Promise<Watched> {
  const watched: Watched = { ran: [], violations: [], faults: [], requests: [] }
  await context.exposeBinding('noteViolation', ({ frame }, violation: string) => {
    if (!isOfArtifact(frame)) watched.violations.push(violation)
  })
  await context.addInitScript(
    "addEventListener('securitypolicyviolation', (e) => noteViolation(e.effectiveDirective + ' ' + e.blockedURI))",
  )
  page.on('pageerror', (error) => watched.faults.push(error.message))
  page.on('dialog', (dialog) => {
    watched.ran.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    const [word, place = ''] = message.text().split(' ')
    if (word === 'owned') watched.ran.push(place)
  })
  page.on('requestfinished', (request) => {
    const { pathname, protocol, origin: to } = new URL(request.url())
    if (protocol === 'data:' || isContent(request.url())) return
    const isPage = request.isNavigationRequest() && request.frame() === page.mainFrame()
    const isPart = pathname.startsWith('/assets/')
    const isPicture = request.resourceType() === 'image' && isRaw(request.url())
    if (to !== origin || !(isPage || isPart || isPicture)) watched.requests.push(request.url())
  })
  return watched
}

const escaped = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
const name = "'onload='owned' x="

async function putHostile(rig: Rig, trap: string, run: number): Promise<number> {
  const query = `branch=${encodeURIComponent(hostileText)}&workflow=${encodeURIComponent(hostileText)}&event=${encodeURIComponent(hostileText)}`
  const place = `${run}/artifacts/${encodeURIComponent(name)}`
  const id = await putTar(rig.server, place, hostileFiles(trap), query)
  // So that the audit log names it.
  const change = { method: 'PATCH', json: { expiresInSeconds: 86_400 } }
  expect((await rig.server.send(`/api/v1/artifacts/${id}`, change)).status).toBe(200)
  return id
}

/** Records jobs, steps, log lines, annotations and a summary that contain hostile text. */
async function recordRun(rig: Rig, run: number, trap: string): Promise<void> {
  const at = 1000
  const job = { key: 'job', id: hostileText, name: hostileText }
  const step = { number: 1, name: hostileText }
  const line = { type: 'line', at, job: 'job', step: 1 }
  const markdown = hostileFiles(trap).find((file) => file.name === 'README.md')?.content
  const events = [
    { type: 'run-started', at },
    { type: 'job-named', at, job },
    { type: 'job-started', at, job: 'job' },
    { type: 'step-started', at, job: 'job', step },
    { ...line, kind: 'group', text: hostileText },
    { ...line, kind: 'output', text: `\u001b]8;;javascript:alert(1)\u0007${hostileText}` },
    { ...line, kind: 'error', text: hostileText },
    {
      type: 'annotation',
      at,
      job: 'job',
      step: 1,
      level: 'error',
      line: 1,
      message: hostileText,
      title: hostileText,
      file: hostileText,
    },
    { type: 'summary', at, job: 'job', step: 1, text: markdown },
    { type: 'job-finished', at, job: 'job', conclusion: 'failure', durationMs: 1 },
  ]
  await rig.server.record(run, events)
}

function addressesOf(first: number, second: number): string[] {
  const artifact = `/octo/app/actions/runs/2/artifacts/${second}`
  const paths = hostileFiles('')
    .filter(({ type }) => type !== 'symlink')
    .map((file) => file.name)
  const blobs = paths.map((path) => `${artifact}/blob/${escaped(path)}`)
  const compare = `/octo/app/compare/${first}...${second}`
  const query = encodeURIComponent(hostileText)
  return [
    '/',
    '/octo/app',
    `/octo/app?branch=${query}`,
    '/octo/app/artifacts',
    `/octo/app/artifacts?name=${query}&branch=${query}`,
    `/octo/app/search?path=${query}&name=${query}&branch=${query}`,
    '/octo/app/search?path=**',
    '/octo/app/trends',
    `/octo/app/trends?name=${query}&branch=${query}`,
    '/octo/app/storage',
    '/octo/app/settings',
    '/octo/app/settings/retention?days=0',
    '/octo/app/settings/audit',
    '/octo/app/upload',
    '/octo/app/actions/runs/2',
    '/octo/app/actions/runs/2/attempts/1/jobs/job',
    artifact,
    `${artifact}/changes`,
    `${artifact}/used`,
    `${artifact}/details`,
    `${artifact}/delete`,
    `${artifact}/tree/a`,
    `${artifact}/tree/${query}`,
    ...blobs,
    ...blobs.map((blob) => `${blob}?as=text`),
    ...blobs.map((blob) => blob.replace('/blob/', '/history/')),
    ...blobs.map((blob) => `${blob}?bytes=1048576`),
    compare,
    ...paths.map((path) => `${compare}?file=${encodeURIComponent(path)}`),
    `/find?digest=${query}`,
    '/admin/storage',
    `/admin/maintenance?job=${query}`,
    '/admin/audit',
    '/admin/tokens',
    '/account',
    '/octo/app/settings/tokens',
    `/admin/audit?kind=${query}`,
    `/sign-in?next=${query}&token=${query}`,
    `/${query}/${query}`,
  ]
}

describe.skipIf(!hasChromium).each([
  ['without a content origin', {}, []],
  [
    'with a content origin',
    { TROVE_CONTENT_URL: 'http://content.localhost' },
    // Scripts may run here: an opaque origin, on a host without cookies that serves nothing else.
    ['null'],
  ],
  [
    'with a content origin per artifact',
    { TROVE_CONTENT_URL: 'http://*.content.localhost' },
    ['null', 'http://a2.content.localhost'],
  ],
] as const)('%s a hostile artifact', (_, environment, places) => {
  let trap: Trap
  let rig: Rig
  let context: BrowserContext
  let page: Page
  let watched: Watched
  let first: number
  let second: number
  beforeAll(async () => {
    trap = await openTrap()
    rig = await openRig(environment)
    first = await putHostile(rig, trap.url, 1)
    second = await putHostile(rig, `${trap.url}/2`, 2)
    await recordRun(rig, 2, trap.url)
    context = await rig.context()
    page = await context.newPage()
    watched = await watch(context, page, rig.server.url)
  }, 60_000)
  afterAll(async () => {
    await rig.close()
    trap.close()
  })

  function expectNoHarm(allowed: readonly string[]): void {
    expect([...new Set(watched.ran)].filter((place) => !allowed.includes(place))).toEqual([])
    // A document whose scripts may run can navigate its own frame; the policy of the page around it
    // blocks that.
    const stopped = allowed.length > 0 ? `frame-src ${trap.url}` : ''
    expect(watched.violations.filter((violation) => violation !== stopped)).toEqual([])
    expect(watched.faults).toEqual([])
    expect(trap.visits).toEqual([])
  }

  test('runs no scripts, sends no requests and violates no policy, on any page', async () => {
    const everyPage = addressesOf(first, second)
    // With a content origin only documents behave differently.
    const visited =
      places.length === 0 ? everyPage : everyPage.filter((each) => /\.(html|svg)$/.test(each))
    for (const address of visited) {
      // Documents in frames get time to do harm; other pages need no waiting.
      const waitUntil = /\.(html|svg)(\?|$)/.test(address) ? 'networkidle' : 'load'
      await page.goto(address, { waitUntil })
      expect(await page.title(), address).toMatch(/ · Trove$/)
      expect(await page.locator('main').count(), address).toBe(1)
    }
    expectNoHarm(places)
    expect(watched.requests).toEqual([])
    // Proves that scripts which run are noticed.
    expect(watched.ran.length > 0).toBe(places.length > 0)
  }, 120_000)

  test('stays harmless when its pages are used: searching, opening, deleting, undoing', async () => {
    const artifact = `/octo/app/actions/runs/2/artifacts/${second}`
    await page.goto(artifact)
    await page.getByLabel('Go to file').fill('x')
    await page.locator('.found a').first().waitFor()
    expect(await page.locator('.found a').count()).toBeGreaterThan(3)
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Delete…' }).click()
    await page.getByRole('dialog').getByRole('heading').waitFor()
    await page.keyboard.press('Escape')
    await page.goto(`${artifact}/blob/README.md`)
    const links = page.locator('.prose a')
    for (const link of await links.all())
      expect(await link.getAttribute('href')).not.toMatch(/^\s*(javascript|data|vbscript):/i)
    await page.goto('/octo/app/actions/runs/2')
    for (const summary of await page.locator('summary').all())
      if (await summary.isVisible()) await summary.click()
    await page.goto(`${artifact}/delete`)
    await page.getByRole('button', { name: /^Delete / }).click()
    await page.getByText(/^Deleted /).waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.waitForURL(`**${artifact}`)
    expectNoHarm(places)
  })

  test('does no harm when its files are opened raw, or as documents of their own', async () => {
    const html = await rig.server.visit(
      `/octo/app/actions/runs/2/artifacts/${second}/blob/index.html`,
    )
    const [, path = ''] =
      /src="(?:http:\/\/[^/]+)?(\/content\/[^"]+)"/.exec(await html.text()) ?? []
    for (const file of ['index.html', 'evil.svg', 'polyglot.png', 'README.md', 'data.json']) {
      await page.goto(`/api/v1/artifacts/${second}/files/${file}`, { waitUntil: 'networkidle' })
      // The credential is valid for all files of the artifact, also on our own origin.
      await page.goto(path.replace(/[^/]+$/, file), { waitUntil: 'networkidle' })
    }
    expectNoHarm(places)
  })
})
