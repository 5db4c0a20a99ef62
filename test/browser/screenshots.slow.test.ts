/** Pictures of the main pages from real data: `npm run screenshots` writes them where the README shows them from. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig } from './rig.ts'
import { seedProject } from './seed.ts'

const directory = process.env['TROVE_SCREENSHOTS']

if (!hasChromium) reportMissingChromium('screenshots')

describe.skipIf(!hasChromium)('pictures', () => {
  test('of every main page can be taken, light and dark, desktop and phone', async () => {
    const rig = await openRig()
    try {
      const { before, site } = await seedProject(rig.server)
      const run = '/octo/app/actions/runs/42'
      const pages = {
        projects: '/',
        runs: '/octo/app',
        run,
        artifact: `${run}/artifacts/${site}`,
        file: `${run}/artifacts/${site}/blob/build.log`,
        compare: `/octo/app/compare/${before}...${site}`,
        artifacts: '/octo/app/artifacts',
        storage: '/admin/storage',
      }
      if (directory !== undefined) await mkdir(directory, { recursive: true })
      for (const [form, viewport] of [
        ['desktop', { width: 1200, height: 800 }],
        ['phone', { width: 390, height: 800 }],
      ] as const) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const context = await rig.context({ viewport, colorScheme })
          const page = await context.newPage()
          for (const [name, path] of Object.entries(pages)) {
            await page.goto(path)
            const file = `${name}-${form}-${colorScheme}.png`
            const image = await page.screenshot({
              ...(directory !== undefined && { path: join(directory, file) }),
            })
            expect(image.length, file).toBeGreaterThan(5000)
          }
          await context.close()
        }
      }
    } finally {
      await rig.close()
    }
  })
})
