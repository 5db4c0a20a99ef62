/** What pages show, checked against what was uploaded: the list of artifacts with its sums,
 *  comparisons by kind, the confirmation of a deletion, both colour schemes, narrow screens. */
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from '../actions/archives.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { png, putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('lists and comparisons')

describe.skipIf(!hasChromium)('a visitor', () => {
  let rig: Rig
  let page: Page
  let before: number
  let after: number
  beforeAll(async () => {
    rig = await openRig()
    const shared = { name: 'lib/shared.bin', content: noise(200_000, 1) }
    before = await putTar(rig.server, '1/artifacts/build', [
      shared,
      { name: 'app/old.txt', content: 'words that move '.repeat(20) },
      { name: 'app/logo.png', content: png(20) },
      { name: 'app/text.txt', content: 'one\ntwo\nthree\n' },
      { name: 'app/gone.txt', content: 'gone '.repeat(1000) },
      { name: 'run.sh', content: 'echo\n', mode: 0o644 },
    ])
    rig.server.clock.now += 60_000
    after = await putTar(rig.server, '2/artifacts/build', [
      shared,
      { name: 'app/new/name.txt', content: 'words that move '.repeat(20) },
      { name: 'app/logo.png', content: png(40) },
      { name: 'app/text.txt', content: 'one\n2\nthree\n' },
      { name: 'vendor/big.bin', content: noise(100_000, 2) },
      { name: 'run.sh', content: 'echo\n', mode: 0o755 },
    ])
    rig.server.clock.now += 60_000
    await putTar(
      rig.server,
      '3/artifacts/notes',
      [{ name: 'n.txt', content: 'notes' }],
      'branch=feature',
    )
    page = await rig.page()
    return rig.close
  }, 60_000)

  const names = async (): Promise<string[]> =>
    await page.locator('main table.rows tbody th a').allTextContents()

  test('filters and sorts all artifacts of a project, and sees the sums of those that match', async () => {
    await page.goto('/octo/app/artifacts')
    expect(await names()).toEqual(['notes', 'build', 'build'])
    await page.getByLabel('Sort').selectOption('largest first')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.waitForURL('**sort=largest*')
    expect(await names()).toEqual(['build', 'build', 'notes'])
    expect(await page.getByRole('columnheader', { name: 'Size' }).getAttribute('aria-sort')).toBe(
      'descending',
    )
    await page.getByLabel('Branch').selectOption('feature')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.waitForURL('**branch=feature*')
    expect(await names()).toEqual(['notes'])
    expect(await page.locator('.lead').textContent()).toMatch(
      /^1 artifact, 5 B; their uploads added \d+ B to/,
    )
    const csv = await page.request.get(
      (await page.getByRole('link', { name: 'CSV' }).getAttribute('href')) ?? '',
    )
    expect((await csv.text()).split('\r\n')[1]).toMatch(/^\d+,notes,3,feature,available,5,/)
    await page.getByLabel('Name contains').fill('BUIL')
    await page.getByLabel('Branch').selectOption('any')
    await page.getByRole('textbox', { name: 'Run' }).fill('1')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.waitForURL('**run=1*')
    expect(await names()).toEqual(['build'])
  })

  test('keeps many artifacts at once, filters by that, and changes their expiry', async () => {
    await page.goto('/octo/app/artifacts')
    await page.getByLabel('Select all').check()
    await page.getByRole('button', { name: 'Keep', exact: true }).click()
    await page.locator('.badge.kept').first().waitFor()
    await page.goto('/octo/app/artifacts?pinned=1')
    expect(await names()).toHaveLength(3)
    await page.getByLabel('Select all').check()
    await page.getByRole('button', { name: 'Stop keeping' }).click()
    await page.getByText('No artifacts match.').waitFor()
    await page.goto('/octo/app/artifacts?name=notes')
    await page.getByLabel('Select notes of run 3').check()
    await page.getByLabel('Expire in').fill('3')
    await page.getByRole('button', { name: 'Set' }).click()
    await page.getByRole('cell', { name: 'in 3 days' }).waitFor()
    expect(await page.locator('.badge.kept').count()).toBe(0)
  })

  // Enter in a field of a form presses its first button.
  test('sets an expiry by pressing Enter in its field; without scripts, or on a checkbox, Enter changes nothing', async () => {
    await page.goto('/octo/app/artifacts?name=notes')
    await page.getByLabel('Select notes of run 3').check()
    await page.getByLabel('Expire in').fill('4')
    await page.keyboard.press('Enter')
    await page.getByText('Changed the expiry of 1 artifact.').waitFor()
    await page.getByRole('cell', { name: 'in 4 days' }).waitFor()
    const plain = await (await rig.context({ javaScriptEnabled: false })).newPage()
    await plain.goto('/octo/app/artifacts?name=notes')
    const box = plain.getByLabel('Select notes of run 3')
    for (const field of [box, plain.getByLabel('Expire in')]) {
      await box.check()
      await field.press('Enter')
      await plain.getByText('Choose an action.').waitFor()
      await plain.goto('/octo/app/artifacts?name=notes')
    }
    expect(await plain.locator('.badge.kept').count()).toBe(0)
    await plain.context().close()
  })

  test('sees each kind of difference, where it comes from, and the file itself', async () => {
    await page.goto(`/octo/app/compare/${before}...${after}`)
    const lead =
      (await page.locator('.part .lead, main > .lead, main .lead').first().textContent()) ?? ''
    expect(lead).toContain(
      '1 added, 1 removed, 2 changed, 1 moved, 1 with a different mode, 1 unchanged',
    )
    expect(lead).toMatch(/of it from vendor\//)
    const chart = page.getByRole('table', { name: 'Change by directory' })
    expect(await chart.getByRole('row', { name: /^vendor\// }).textContent()).toContain('+97.7 KiB')
    const row = (kind: string) => page.getByRole('row', { name: new RegExp(`^${kind} `) })
    expect(await row('moved').textContent()).toContain('app/new/name.txt from app/old.txt')
    expect(await row('mode').textContent()).toContain('644 → 755')
    await page.getByRole('link', { name: 'app/text.txt' }).click()
    await page.waitForURL('**file=app%2Ftext.txt')
    expect(await page.locator('.diff .removed td').last().textContent()).toBe('−two')
    expect(await page.locator('.diff .added td').last().textContent()).toBe('+2')
    await page.goto(`/octo/app/compare/${before}...${after}?file=app/logo.png`)
    const widths = page.locator('.side-by-side img')
    await expect
      .poll(() =>
        widths.evaluateAll((images: { naturalWidth: number }[]) =>
          images.map((image) => image.naturalWidth),
        ),
      )
      .toEqual([20, 40])
  })

  test('sees before a deletion what it frees and what other artifacts share', async () => {
    await page.goto(`/octo/app/actions/runs/2/artifacts/${after}`)
    await page.getByRole('link', { name: 'Delete…' }).click()
    const shown =
      (await page
        .getByRole('dialog')
        .getByText(/^6 files/)
        .textContent()) ?? ''
    // Its own 100 KB are freed; the 200 KB that the previous run also holds stay.
    expect(shown).toMatch(/frees (9[89]|10\d)\.\d KiB of 29\d\.\d KiB/)
    expect(shown).toMatch(/19\d\.\d KiB is shared and stays/)
    await page.keyboard.press('Escape')
  })

  test('sees light pages in the light colour scheme and dark pages in the dark one', async () => {
    const brightness = async (colorScheme: 'light' | 'dark'): Promise<number> => {
      const each = await rig.page({ colorScheme })
      await each.goto('/octo/app')
      const colour = (await each.evaluate(
        'getComputedStyle(document.body).backgroundColor',
      )) as string
      await each.context().close()
      return Math.max(...(colour.match(/\d+/g) ?? []).map(Number))
    }
    expect(await brightness('light')).toBeGreaterThan(200)
    expect(await brightness('dark')).toBeLessThan(60)
  })

  test('prints a list without what only a screen can use, and with whole times', async () => {
    await page.goto('/octo/app/artifacts')
    const parts = ['.menu', '.tabs', '.filter', 'body > footer']
    const areShown = async (): Promise<boolean[]> =>
      await Promise.all(parts.map((part) => page.locator(part).first().isVisible()))
    expect(await areShown()).toEqual(parts.map(() => true))
    await page.emulateMedia({ media: 'print' })
    try {
      expect(await areShown()).toEqual(parts.map(() => false))
      const shown = "getComputedStyle(document.querySelector('td time'), '::after').content"
      expect(await page.evaluate(shown)).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/)
    } finally {
      await page.emulateMedia({ media: null })
    }
  })

  test('sees the field for patterns of the latest only if the project is to have its own', async () => {
    await page.goto('/octo/app/settings/retention')
    const patterns = page.getByLabel('BRANCH/NAME')
    expect(await patterns.isVisible()).toBe(false)
    await page.getByLabel('Keep the latest').selectOption('of these patterns')
    await patterns.fill('main/build')
    await page.getByRole('button', { name: 'Change' }).click()
    await page.getByText('set for this project').waitFor()
    expect(await patterns.inputValue()).toBe('main/build')
  })

  test('on a phone sees other columns of a list beside a long name', async () => {
    const name = 'a-long-name-'.repeat(12)
    await putTar(rig.server, `4/artifacts/${name}`, [{ name: 'n.txt', content: 'notes' }])
    const list = await rig.page({ viewport: { width: 360, height: 740 } })
    await list.goto('/octo/app/artifacts')
    const run = await list.getByRole('columnheader', { name: 'Run' }).boundingBox()
    expect(run!.x + run!.width).toBeLessThan(360)
    await list.goto('/octo/app/upload')
    const tab = await list.locator('.tabs [aria-current]').boundingBox()
    expect(tab!.x + tab!.width).toBeLessThan(345)
    await putTar(rig.server, '9/artifacts/last', [], `workflow=${name}`)
    const token = { run: 4, job: name, scope: 'read' }
    await rig.server.send('/api/v1/tokens', { method: 'POST', json: token })
    for (const path of ['/', '/admin/audit', '/admin/tokens']) {
      await list.goto(path)
      await list.getByText(name).first().waitFor()
      const widths = `[...document.querySelectorAll('td')].map((cell) => cell.offsetWidth)`
      const widest = Math.max(...((await list.evaluate(widths)) as number[]))
      expect(widest, path).toBeLessThan(360)
    }
    await list.context().close()
  })

  test('on a phone never sees a page wider than the screen, even with long unbreakable names', async () => {
    const name = 'n'.repeat(255)
    const id = await putTar(rig.server, `5/artifacts/${name}`, [{ name: 'n.txt', content: 'n' }])
    await putTar(rig.server, `6/artifacts/${name}`, [{ name: 'index.html', content: '<p>n' }])
    await putTar(rig.server, `7/artifacts/${name}`, [{ name: 'n.txt', content: 'n' }])
    const phone = await rig.context({ viewport: { width: 360, height: 740 } })
    const shown = await phone.newPage()
    for (const path of [
      'trends',
      'settings/retention?days=0',
      'storage',
      'actions/runs/6',
      `actions/runs/5/artifacts/${id}`,
      `actions/runs/5/artifacts/${id}/delete`,
      `actions/runs/5/artifacts/${id}/blob/n.txt`,
      `latest/none/${name}`,
    ]) {
      await shown.goto(`/octo/app/${path}`)
      const width = (await shown.evaluate('document.documentElement.scrollWidth')) as number
      expect([path, width]).toEqual([path, 360])
    }
    await phone.close()
  })

  test('sees a short digest on one line, however long the name before it is', async () => {
    const long = [{ name: `${'n'.repeat(250)}.txt`, content: 'n' }]
    const id = await putTar(rig.server, '8/artifacts/long', long)
    await page.goto(`/octo/app/actions/runs/8/artifacts/${id}`)
    const lines = await page.evaluate(`{
      const range = new Range()
      range.selectNodeContents(document.querySelector('td.digest'))
      range.getClientRects().length
    }`)
    expect(lines).toBe(1)
  })
})
