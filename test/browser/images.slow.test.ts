/** Images that changed: side by side, and with scripts one over the other. */
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { png, putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('images that changed')

describe.skipIf(!hasChromium)('images that changed', () => {
  let rig: Rig
  let address: string
  beforeAll(async () => {
    rig = await openRig()
    const base = await putTar(rig.server, '1/artifacts/site', [{ name: 'a.png', content: png(60) }])
    const head = await putTar(rig.server, '2/artifacts/site', [{ name: 'a.png', content: png(80) }])
    address = `/octo/app/compare/${base}...${head}?file=a.png`
    return rig.close
  }, 60_000)

  const secondImage = `document.querySelectorAll('.picture img')[1]`

  test('are side by side at first, and without scripts', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const page = await rig.page({ javaScriptEnabled })
      await page.goto(address)
      const [first, second] = await Promise.all(
        [0, 1].map(async (index) => await page.locator('.picture').nth(index).boundingBox()),
      )
      expect(second!.x).toBeGreaterThan(first!.x + first!.width)
      expect(await page.getByText('Swipe').isVisible()).toBe(javaScriptEnabled)
    }
  })

  test('lie over each other, and a slider that the keyboard moves divides or fades them', async () => {
    const page = await rig.page()
    await page.goto(address)
    const slider = page.getByRole('slider', { name: 'Share of run 2' })
    expect(await slider.isVisible()).toBe(false)
    await page.getByLabel('Swipe').check()
    const [first, second] = await Promise.all(
      [0, 1].map(async (index) => await page.locator('.picture').nth(index).boundingBox()),
    )
    expect([second!.x, second!.y]).toEqual([first!.x, first!.y])
    await slider.focus()
    await page.keyboard.press('End')
    expect(await page.evaluate(`getComputedStyle(${secondImage}).clipPath`)).toMatch(/inset\(0px/)
    await page.keyboard.press('Home')
    expect(await page.evaluate(`getComputedStyle(${secondImage}).clipPath`)).toContain('100%')
    await page.getByLabel('Fade').check()
    expect(await page.evaluate(`getComputedStyle(${secondImage}).opacity`)).toBe('0')
    await slider.focus()
    await page.keyboard.press('ArrowRight')
    expect(await page.evaluate(`getComputedStyle(${secondImage}).opacity`)).toBe('0.01')
  })
})
