/** Accessibility: axe finds no violation on any page, in either colour scheme, on a wide or
 *  narrow screen, in any state; and no page is wider than the screen. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { digestOf, formatWireDigest } from '../../src/core/bytes/digest.ts'
import { noise } from '../actions/archives.ts'
import { checkoutConfig, githubToken } from '../core/made-up-secrets.ts'
import { scanNow } from '../http/scan-now.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar, type Seeded, seedDays, seedProject } from './seed.ts'

if (!hasChromium) reportMissingChromium('accessibility of the pages')

interface Violation {
  id: string
  nodes: { html: string; failureSummary: string }[]
}

const run = '/octo/app/actions/runs/42'
const rules = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]'

describe.skipIf(!hasChromium).each([
  ['light, on a desktop,', 'light', { width: 1280, height: 800 }],
  ['dark, on a phone,', 'dark', { width: 360, height: 800 }],
] as const)('pages, %s', (_, colorScheme, viewport) => {
  let rig: Rig
  let seeded: Seeded
  let axe: string
  let context: BrowserContext
  let page: Page
  let addresses: Record<string, string>
  beforeAll(async () => {
    rig = await openRig({ TROVE_STORE_QUOTA: '64MiB' })
    addresses = await putStates(rig)
    seeded = await seedProject(rig.server)
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
    context = await rig.context({ colorScheme, viewport, bypassCSP: true })
    page = await context.newPage()
    return rig.close
  }, 60_000)

  async function expectNoViolations(where: string, on: Page = page): Promise<void> {
    // axe leaves out text over a gradient. The fade at the edge of a wide table changes little.
    await on.addStyleTag({ content: '.scroll { background-image: none !important }' })
    await on.evaluate(axe)
    const found = (await on.evaluate(
      `axe.run(document, { runOnly: ${rules} }).then((r) => r.violations)`,
    )) as Violation[]
    const violations = found.map(
      ({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`,
    )
    expect(violations, where).toEqual([])
  }

  const artifact = (): string => `${run}/artifacts/${seeded.site}`

  test('have no violations', async () => {
    const files =
      'build.log config.json README.md sizes.csv logo.png pack.zip bin/tool index.html events.ndjson'
    const compare = `/octo/app/compare/${seeded.before}...${seeded.site}`
    const all = {
      projects: '/',
      runs: '/octo/app',
      'runs of a branch that has none': '/octo/app?branch=none',
      artifacts: '/octo/app/artifacts',
      'artifacts that were deleted': '/octo/app/artifacts?state=deleted',
      'no artifacts': '/octo/app/artifacts?name=none',
      search: '/octo/app/search',
      'paths that match': '/octo/app/search?path=**',
      'no path matches': '/octo/app/search?path=none',
      'an invalid pattern': '/octo/app/search?path=!none',
      run,
      artifact: artifact(),
      'a directory': `${artifact()}/tree/assets`,
      changes: `${artifact()}/changes`,
      'where used': `${artifact()}/used`,
      details: `${artifact()}/details`,
      'the confirmation of a deletion': `${artifact()}/delete`,
      ...Object.fromEntries(files.split(' ').map((path) => [path, `${artifact()}/blob/${path}`])),
      source: `${artifact()}/blob/index.html?as=text`,
      'a file in an archive': `${artifact()}/blob/pack.zip!/inner/a.txt`,
      'the history of a file': `${artifact()}/history/build.log`,
      compare,
      'a text that changed': `${compare}?file=build.log`,
      'an image that changed': `${compare}?file=logo.png`,
      upload: '/octo/app/upload',
      'storage of a project': '/octo/app/storage',
      trends: '/octo/app/trends',
      'a trend': '/octo/app/trends?name=site&branch=main',
      'no trend': '/octo/app/trends?name=none&branch=main',
      settings: '/octo/app/settings',
      retention: '/octo/app/settings/retention?days=1',
      'the audit log': '/admin/audit',
      'the audit log of a project': '/octo/app/settings/audit',
      'an audit log without matching entries': '/octo/app/settings/audit?kind=backup',
      tokens: '/admin/tokens',
      account: '/account',
      'tokens of a project': '/octo/app/settings/tokens',
      'the confirmation of a revocation': '/octo/app/settings/tokens?revoke=all',
      storage: '/admin/storage',
      maintenance: '/admin/maintenance',
      find: '/find',
      'no digest': '/find?digest=none',
      'an unknown address': '/nowhere/at-all',
      'sign in': '/sign-in',
      'an invalid token': '/sign-in?token=none',
      ...addresses,
    }
    for (const [name, address] of Object.entries(all)) {
      await page.goto(address)
      await expectNoViolations(name)
      const isInside = await page.evaluate('document.documentElement.scrollWidth <= innerWidth')
      expect(isInside, name).toBe(true)
    }
  }, 240_000)

  test('have none in dialogs, lists and results that scripts open', async () => {
    await page.goto(artifact())
    await page.getByRole('link', { name: 'Delete…' }).click()
    await page.getByRole('dialog').getByRole('heading').waitFor()
    await expectNoViolations('the dialog that confirms a deletion')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await expectNoViolations('the list of keyboard shortcuts')
    await page.keyboard.press('Escape')
    await page.keyboard.press('t')
    await page.keyboard.type('mod04')
    await page.locator('.found a').first().waitFor()
    await expectNoViolations('matching files')
    await page.goto('/octo/app/artifacts')
    await page.getByLabel('Select all').check()
    await expectNoViolations('selected artifacts')
    await page.getByRole('button', { name: 'Delete…' }).click()
    await page.getByRole('heading', { name: /^Delete \d+ artifacts\?/ }).waitFor()
    await expectNoViolations('the confirmation of a bulk deletion')
    await page.goto('/find')
    await page.locator('[data-find] input').setInputFiles({
      name: 'any',
      mimeType: 'text/plain',
      buffer: Buffer.from('the same words\n'),
    })
    await page.waitForURL('**digest=*')
    await expectNoViolations('a file that was found')
    await page.goto('/octo/app/settings')
    await page.getByLabel('Quota').fill('much')
    await page.getByRole('button', { name: 'Change' }).click()
    await page.getByText('quotaBytes must be a size').waitFor()
    await expectNoViolations('an invalid setting')
    await page.goto('/octo/app/upload')
    await page.locator('[data-files]').setInputFiles({
      name: 'any',
      mimeType: 'text/plain',
      buffer: Buffer.from('words'),
    })
    await expectNoViolations('files to upload')
    await page.goto('/admin/maintenance')
    await page.getByRole('button', { name: 'Read everything back' }).click()
    await page.locator('#job .badge.done').waitFor()
    await expectNoViolations('a job that found damage')
    await page.goto('/admin/storage')
    await page.getByText('Figures').click()
    await expectNoViolations('figures of a chart')
    await page.goto(`${run}/artifacts/${seeded.report}/delete`)
    await page.getByRole('button', { name: 'Delete report' }).click()
    await page.getByText('Deleted report.').waitFor()
    await expectNoViolations('the notice after a deletion')
    const reader = await (
      await rig.context({ scope: 'read', colorScheme, bypassCSP: true })
    ).newPage()
    await reader.goto(`${artifact()}/delete`)
    await expectNoViolations('an action that is not allowed', reader)
  }, 120_000)
})

/** Creates artifacts and runs in various states; returns the address of each by what it shows. */
async function putStates({ server }: Rig): Promise<Record<string, string>> {
  await seedDays(server, 4)
  const place = (number: number, id: number): string =>
    `/octo/app/actions/runs/${number}/artifacts/${id}`
  const brief = await putTar(
    server,
    '1/artifacts/site',
    [{ name: 'a', content: 'a' }],
    'retentionDays=1',
  )
  server.clock.now += 2 * 86_400_000
  const gone = await putTar(server, '2/artifacts/gone', [{ name: 'a', content: 'a' }])
  await server.send(`/api/v1/artifacts/${gone}`, { method: 'DELETE' })
  const bad = noise(50_000, 77)
  const damaged = await putTar(server, '3/artifacts/damaged', [{ name: 'bad.bin', content: bad }])
  await spoil(join(server.dataDir, 'cas'), bad.subarray(25_000, 25_016))
  await server.send(`/api/v1/artifacts/${damaged}/files/bad.bin`)
  const long = 'as-long-as-names-get-'.repeat(8)
  await putTar(server, `5/artifacts/${long}`, [{ name: 'a', content: 'a' }], `branch=${long}`)
  const second = await putTar(server, `6/artifacts/${long}`, [{ name: 'b', content: 'b' }])
  await server.send(`/api/v1/artifacts/${second}`, { method: 'PATCH', json: { pinned: true } })
  await server.send('/api/v1/tokens', {
    method: 'POST',
    json: { run: 6, job: long, scope: 'read' },
  })
  const leaking = await putTar(server, '7/artifacts/checkout', [
    { name: '.git/config', content: checkoutConfig() },
    { name: `${long}/ci.log`, content: `${githubToken()}\n`.repeat(3) },
  ])
  await scanNow(server)
  await server.send(`/api/v1/artifacts/${leaking}/secrets`, {
    method: 'PATCH',
    json: { digest: formatWireDigest(digestOf(checkoutConfig())), dismissed: true },
  })
  const at = server.clock.now
  const job = { key: 'job', id: 'build', name: 'build (20)' }
  const line = { type: 'line', at, job: 'job', step: 1 }
  const events = [
    { type: 'run-started', at },
    { type: 'job-named', at, job },
    { type: 'job-started', at, job: 'job' },
    { type: 'step-started', at, job: 'job', step: { number: 1, name: 'Run make' } },
    { ...line, kind: 'command', text: 'make' },
    { ...line, kind: 'group', text: 'Compile' },
    { ...line, kind: 'warning', text: 'old' },
    { ...line, kind: 'endgroup', text: '' },
    { ...line, kind: 'error', text: 'no rule' },
    ...(['error', 'warning', 'notice'] as const).map((level) => ({
      type: 'annotation',
      at,
      job: 'job',
      step: 1,
      level,
      title: 'Make',
      file: 'src/a.c',
      line: 3,
      message: 'no rule\nto make it',
    })),
    {
      type: 'summary',
      at,
      job: 'job',
      step: 1,
      text: '# Tests\n\n| test | ms |\n|---|---|\n| `a` | 3 |\n\n- [x] done\n\n```\nlog\n```\n',
    },
    { type: 'job-finished', at, job: 'job', conclusion: 'failure', durationMs: 9000 },
  ]
  await server.record(4, events)
  return {
    'an artifact with secrets': place(7, leaking),
    'dismissed secrets': `${place(7, leaking)}/details`,
    'artifacts with secrets': '/octo/app/artifacts?state=secrets',
    'an expired artifact': place(1, brief),
    'a deleted artifact': place(2, gone),
    'the run of a deleted artifact': `/octo/app/actions/runs/2?deleted=${gone}`,
    'a damaged artifact': place(3, damaged),
    'a damaged file': `${place(3, damaged)}/blob/bad.bin`,
    'long names': place(6, second),
    'a choice among long names': `${place(6, second)}/changes`,
    'a recorded run': '/octo/app/actions/runs/4',
    'a recorded job': '/octo/app/actions/runs/4/attempts/1/jobs/job',
  }
}
