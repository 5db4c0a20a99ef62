/** The storage pages of a project that grew over days: charts, what deletions would free, and the
 *  forecast. */
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar, seedDays } from './seed.ts'

if (!hasChromium) reportMissingChromium('storage pages')

describe.skipIf(!hasChromium)('storage', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ TROVE_STORE_QUOTA: '4MiB', TROVE_PROJECT_QUOTA: '2MiB' })
    return rig.close
  }, 60_000)

  test('of an empty store shows how to upload, and on the first day when a forecast will appear', async () => {
    const page = await rig.page()
    await page.goto('/admin/storage')
    await page.getByText('trove upload').waitFor()
    await putTar(rig.server, '1/artifacts/first', [{ name: 'a', content: 'a' }])
    await page.reload()
    await page.getByText('The forecast will appear after a day').waitFor()
    expect(await page.getByText('trove upload').count()).toBe(0)
  })

  test('draws logical, unique and stored bytes over time, and forecasts when the quota will be full', async () => {
    await seedDays(rig.server, 6)
    const page = await rig.page()
    await page.goto('/admin/storage')
    const lines = page.locator('.chart path')
    expect(await lines.count()).toBe(3)
    // Every line has a step up per day.
    for (const line of await lines.all())
      expect((await line.getAttribute('d'))?.split('V').length).toBeGreaterThan(5)
    await page.getByText('Figures').click()
    // Six days with uploads, and today.
    expect(await page.locator('.chart tbody tr').count()).toBe(7)
    const [newest, oldest] = await Promise.all(
      [page.locator('.chart tbody tr').first(), page.locator('.chart tbody tr').last()].map(
        async (row) => await row.locator('td').allTextContents(),
      ),
    )
    expect(newest).not.toEqual(oldest)
    await page.getByText(/^Packs grew by [\d.]+ KiB a day over the last 6 days\./).waitFor()
    await page.getByText(/The quota of 4\.0 MiB will be full in \d+ days\./).waitFor()
    await page.getByText('Disk space that deleting each of').waitFor()
    await page.goto('/octo/app/storage')
    expect(await page.locator('.chart path').count()).toBe(2)
    await page.getByText(/The quota of 2\.0 MiB will be full in \d+ days\./).waitFor()
  })
})
