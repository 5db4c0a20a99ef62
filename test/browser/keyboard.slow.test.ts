/** Everything that pages offer, done with the keyboard only: elements are reached by Tab and
 *  single-key shortcuts. */
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar, type Seeded, seedProject } from './seed.ts'

if (!hasChromium) reportMissingChromium('the keyboard')

const run = '/octo/app/actions/runs/42'
/** More tab stops than any page has. */
const stopsMax = 150

describe.skipIf(!hasChromium)('with the keyboard only', () => {
  let rig: Rig
  let seeded: Seeded
  let page: Page
  beforeAll(async () => {
    rig = await openRig()
    seeded = await seedProject(rig.server)
    page = await rig.page({ acceptDownloads: true })
    return rig.close
  }, 60_000)

  const artifact = (): string => `${run}/artifacts/${seeded.site}`

  /** The accessible name of the focused element, approximately. */
  async function focused(on: Page = page): Promise<string> {
    return (await on.evaluate(
      `(() => {
        const at = document.activeElement
        if (at === document.body) return ''
        const label = at.labels?.[0]?.textContent ?? at.closest('label')?.textContent
        return (at.getAttribute('aria-label') ?? label ?? at.textContent ?? '').trim().replaceAll(/\\s+/g, ' ')
      })()`,
    )) as string
  }

  /** Tabs to the element of that name, and checks that its focus is visible. */
  async function tabTo(name: RegExp, on: Page = page): Promise<void> {
    const passed: string[] = []
    for (let stop = 0; stop < stopsMax; stop++) {
      await on.keyboard.press('Tab')
      const at = await focused(on)
      if (!name.test(at)) {
        passed.push(at)
        continue
      }
      const style = (await on.evaluate(
        `(() => {
          const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
          return outlineStyle === 'none' ? 'no outline' : outlineWidth
        })()`,
      )) as string
      expect(style, `outline of ${at}`).toMatch(/^[1-9]/)
      return
    }
    throw new Error(`no tab stop is named ${name}; passed ${passed.join(' | ')}`)
  }

  async function press(...keys: string[]): Promise<void> {
    for (const key of keys) await page.keyboard.press(key)
  }

  test('a visitor signs in, skips to the content, and goes from the projects to a directory', async () => {
    const fresh = await rig.browser.newContext({ baseURL: rig.server.url })
    const entry = await fresh.newPage()
    await entry.goto(run)
    expect(await focused(entry)).toBe('Token')
    await entry.keyboard.type(await rig.server.token())
    await entry.keyboard.press('Enter')
    await entry.waitForURL(`**${run}`)
    await fresh.close()
    await page.goto('/')
    await press('Tab')
    expect(await focused()).toBe('Skip to content')
    await press('Enter')
    await tabTo(/^octo\/app$/)
    await press('Enter')
    await page.waitForURL('**/octo/app')
    await tabTo(/^42$/)
    await press('Enter')
    await page.waitForURL(`**${run}/attempts/1`)
    await tabTo(/^site$/)
    await press('Enter')
    await page.waitForURL(`**${artifact()}`)
    await press('j', 'j')
    expect(await focused()).toBe('bin/')
    await press('k', 'Enter')
    await page.waitForURL('**/tree/assets')
  })

  test('a visitor goes to a file, downloads it and copies its address', async () => {
    await page.goto(artifact())
    await press('t')
    await page.keyboard.type('sizes')
    await page.locator('.found a').first().waitFor()
    await press('ArrowDown')
    expect(await focused()).toBe('sizes.csv')
    await press('Enter')
    await page.waitForURL('**/blob/sizes.csv')
    const [download] = await Promise.all([page.waitForEvent('download'), press('d')])
    expect(await readFile(await download.path(), 'utf8')).toContain('"a, b.js",120')
    await tabTo(/^Copy link$/)
    await press('Enter')
    await page.locator('#announcer', { hasText: 'Copied' }).waitFor()
  })

  test('a visitor keeps an artifact, stops keeping it and changes its expiry', async () => {
    await page.goto(artifact())
    await tabTo(/^Keep$/)
    await press('Enter')
    await page.getByText('Kept until someone stops keeping it.').waitFor()
    await tabTo(/^Stop keeping$/)
    await press('Space')
    await page.getByRole('button', { name: 'Keep', exact: true }).waitFor()
    await page.goto(`${artifact()}/details`)
    await tabTo(/^Expires in/)
    await press('Control+a')
    await page.keyboard.type('3')
    await press('Enter')
    expect(await page.locator('.lead').textContent()).toMatch(/Expires in [23] days/)
  })

  test('a visitor deletes an artifact, after closing the dialog once with Escape, and undoes that', async () => {
    const doomed = await putTar(rig.server, '42/artifacts/doomed', [{ name: 'a', content: 'a' }])
    await page.goto(`${run}/artifacts/${doomed}`)
    await tabTo(/^Delete…$/)
    await press('Enter')
    await page.getByRole('dialog').getByRole('heading').waitFor()
    await expect.poll(() => focused()).toBe('Cancel')
    await press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await focused()).toBe('Delete…')
    await press('Enter')
    await expect.poll(() => focused()).toBe('Cancel')
    // The focus stays inside the dialog.
    await press('Tab')
    expect(await focused()).toBe('Delete doomed')
    await press('Enter')
    await page.getByText('Deleted doomed.').waitFor()
    await tabTo(/^Undo$/)
    await press('Enter')
    await page.waitForURL(`**/artifacts/${doomed}`)
  })

  test('a visitor compares artifacts, filters by kind, and sees what changed in a file', async () => {
    await page.goto(artifact())
    await tabTo(/^Changes$/)
    await press('Enter')
    await page.waitForURL('**/changes')
    await tabTo(/^changed /)
    await press('Enter')
    await page.waitForURL('**kind=changed')
    await tabTo(/^build\.log$/)
    await press('Enter')
    await page.waitForURL('**file=build.log')
    expect(await page.locator('.diff .added').count()).toBeGreaterThan(0)
    await page.goto(`${artifact()}/changes`)
    await tabTo(/^Compare with/)
    await press('ArrowDown', 'Tab', 'Enter')
    await page.waitForURL('**/compare/**')
  })

  test('a visitor filters and selects artifacts, deletes them and restores them', async () => {
    for (const name of ['bulk-1', 'bulk-2'])
      await putTar(rig.server, `50/artifacts/${name}`, [{ name: 'x', content: name }])
    await page.goto('/octo/app')
    await tabTo(/^Branch/)
    await press('ArrowDown')
    await tabTo(/^Filter$/)
    await press('Enter')
    await page.waitForURL('**branch=*')
    await page.goto('/octo/app/artifacts')
    await press('/')
    await page.keyboard.type('bulk')
    await press('Enter')
    await page.waitForURL('**name=bulk*')
    await press('j', 'x')
    await page.getByText('1 selected:').waitFor()
    await press('j', 'x')
    await page.getByText('2 selected:').waitFor()
    while ((await focused()) !== 'Delete…') await press('Shift+Tab')
    await press('Enter')
    await page.getByRole('heading', { name: 'Delete 2 artifacts?' }).waitFor()
    await tabTo(/^Delete 2 artifacts$/)
    await press('Enter')
    await page.getByText('Deleted 2 artifacts.').waitFor()
    await tabTo(/^Restore all$/)
    await press('Enter')
    await page.getByText('2 artifacts').first().waitFor()
    expect(await page.getByRole('row', { name: /bulk-/ }).count()).toBe(2)
  })

  test('a visitor uploads files', async () => {
    // The system's file dialog is outside the page, so only its answer is given.
    const buffer = Buffer.from('by keyboard')
    page.once('filechooser', (chooser) => {
      void chooser.setFiles([{ name: 'a.txt', mimeType: 'text/plain', buffer }])
    })
    await page.goto('/octo/app/upload')
    await tabTo(/^or files/)
    await press('Enter')
    await page.getByText('1 file').waitFor()
    await tabTo(/^Upload$/)
    await press('Enter')
    await page.waitForURL('**/artifacts/*')
    expect(await page.getByRole('link', { name: 'a.txt' }).count()).toBe(1)
  })

  test('a visitor finds a file, simulates a retention and starts maintenance', async () => {
    await page.goto('/')
    await press('/')
    await page.waitForURL('**/find')
    await press('/')
    await page.keyboard.type('0'.repeat(64))
    await press('Enter')
    await page.getByText('No artifact that you can read').waitFor()
    await page.goto('/octo/app/settings/retention')
    await tabTo(/^If artifacts were kept for/)
    await press('Control+a')
    await page.keyboard.type('1')
    await press('Enter')
    await page.getByText(/would have expired by now/).waitFor()
    await page.goto('/admin/maintenance')
    await tabTo(/^Dry run$/)
    await press('Enter')
    await page.locator('#job .badge.done').waitFor()
    expect(await page.locator('#job dd').count()).toBeGreaterThan(3)
  })

  test('single-key shortcuts can be turned off', async () => {
    await page.goto(artifact())
    await press('?')
    await page.getByRole('dialog').waitFor()
    await tabTo(/^Enable single-key shortcuts$/)
    await press('Space', 'Escape', 't')
    expect(await page.evaluate('document.activeElement.name')).not.toBe('path')
    await page.evaluate('localStorage.clear()')
  })

  test('single-key shortcuts and their setting work where the browser blocks storage', async () => {
    const blocked = await rig.page()
    await blocked.addInitScript(`Object.defineProperty(window, 'localStorage', {
      get() { throw new DOMException('blocked', 'SecurityError') },
    })`)
    await blocked.goto(artifact())
    await blocked.keyboard.press('t')
    expect(await blocked.evaluate('document.activeElement.name')).toBe('path')
    await blocked.keyboard.press('Tab')
    await blocked.keyboard.press('?')
    await blocked.getByLabel('Enable single-key shortcuts').uncheck()
    await blocked.keyboard.press('Escape')
    await blocked.keyboard.press('t')
    expect(await blocked.evaluate('document.activeElement.name')).not.toBe('path')
    await blocked.context().close()
  })
})
