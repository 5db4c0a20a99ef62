/** Accessibility: axe finds no violation on any page, in either colour scheme, on a wide or
 *  narrow screen, in any state; and no page is wider than the screen. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { BrowserContext, Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { seedEveryPage } from './every-page.ts'
import { openRig, type Rig } from './rig.ts'
import type { Seeded } from './seed.ts'

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
    ;({ seeded, addresses } = await seedEveryPage(rig.server))
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
    for (const [name, address] of Object.entries(addresses)) {
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
