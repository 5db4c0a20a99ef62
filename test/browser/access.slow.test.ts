/** Pages for everybody: axe finds nothing on any of them, in either colour scheme, and the keyboard alone does all. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar, type Seeded, seedProject } from './seed.ts'

if (!hasChromium) reportMissingChromium('accessibility of the pages')

interface Violation {
  id: string
  nodes: { html: string; failureSummary: string }[]
}

describe.skipIf(!hasChromium)('pages', () => {
  let rig: Rig
  let seeded: Seeded
  let axe: string
  beforeAll(async () => {
    rig = await openRig()
    seeded = await seedProject(rig.server)
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  }, 60_000)
  afterAll(async () => {
    await rig.close()
  })

  async function violations(page: Page): Promise<string[]> {
    await page.evaluate(axe)
    const found = (await page.evaluate(
      'axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then((r) => r.violations)',
    )) as Violation[]
    return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`)
  }

  test.each(['light', 'dark'] as const)(
    'show axe nothing to complain about, in %s',
    async (colorScheme) => {
      const context = await rig.context({ colorScheme, bypassCSP: true })
      const page = await context.newPage()
      const run = '/octo/app/actions/runs/42'
      const artifact = `${run}/artifacts/${seeded.site}`
      const gone = await putTar(rig.server, `44/artifacts/gone-${colorScheme}`, [
        { name: 'a', content: 'a' },
      ])
      await rig.server.send(`/api/v1/artifacts/${gone}`, { method: 'DELETE' })
      const addresses = [
        '/',
        '/octo/app',
        '/octo/app?branch=none',
        '/octo/app/artifacts',
        '/octo/app/artifacts?name=none',
        run,
        `${run}?deleted=${gone}`,
        artifact,
        `${artifact}/tree/assets`,
        `${artifact}/changes`,
        `${artifact}/used`,
        `${artifact}/details`,
        `${artifact}/delete`,
        ...[
          'build.log',
          'config.json',
          'README.md',
          'sizes.csv',
          'logo.png',
          'pack.zip',
          'bin/tool',
          'index.html',
          'events.ndjson',
        ].map((path) => `${artifact}/blob/${path}`),
        `/octo/app/compare/${seeded.before}...${seeded.site}`,
        `/octo/app/compare/${seeded.before}...${seeded.site}?file=build.log`,
        `/octo/app/actions/runs/44/artifacts/${gone}`,
        '/octo/app/upload',
        '/octo/app/storage',
        '/octo/app/settings/retention?days=1',
        '/admin/storage',
        '/admin/maintenance',
        '/find',
        '/nowhere/at-all',
        '/sign-in',
      ]
      for (const address of addresses) {
        await page.goto(address)
        expect(await violations(page), address).toEqual([])
      }
      await context.close()
    },
    120_000,
  )

  test('are used by keyboard alone', async () => {
    const context = await rig.context()
    const page = await context.newPage()
    await page.goto(`/octo/app/actions/runs/42/artifacts/${seeded.site}`)
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('bin/')
    await page.keyboard.press('k')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/tree/assets')
    await page.keyboard.press('?')
    await page.getByRole('dialog').getByLabel('Single keys are on').uncheck()
    await page.keyboard.press('Escape')
    await page.keyboard.press('t')
    expect(await page.evaluate('document.activeElement.tagName')).not.toBe('INPUT')
    await page.goto('/octo/app/artifacts')
    await page.getByLabel('Select all').focus()
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Keep' }).focus()
    await page.keyboard.press('Enter')
    await page.locator('.badge.kept').first().waitFor()
    await context.close()
  })
})
