/** A visitor's tasks on the pages, in a real browser, on a server with real uploads. */
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { unzipSync } from 'fflate'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { manyFiles, putTar, type Seeded, seedProject } from './seed.ts'

if (!hasChromium) reportMissingChromium('a walk through the pages')

const run = '/octo/app/actions/runs/42'

describe.skipIf(!hasChromium)('a visitor', () => {
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

  test('signs in by a link, and by pasting a token', async () => {
    const fresh = await rig.browser.newContext({ baseURL: rig.server.url })
    const entry = await fresh.newPage()
    await entry.goto(run)
    expect(new URL(entry.url()).pathname).toBe('/sign-in')
    await entry.getByLabel('Token').fill('no token')
    await entry.getByRole('button', { name: 'Sign in' }).click()
    await entry.getByRole('alert').waitFor()
    await entry.getByLabel('Token').fill(await rig.server.token())
    await entry.getByRole('button', { name: 'Sign in' }).click()
    await entry.waitForURL(`**${run}`)
    const link = await rig.server.token({ project: undefined, scope: 'admin' }, 'sign-in')
    await entry.goto(`/sign-in?token=${link}`)
    await entry.getByRole('heading', { name: 'Projects' }).waitFor()
    await fresh.close()
  })

  test('goes from the projects to one file and back up', async () => {
    await page.goto('/')
    await page.getByRole('link', { name: 'octo/app' }).click()
    await page.getByRole('link', { name: '42', exact: true }).click()
    await page.getByRole('link', { name: 'site', exact: true }).click()
    await page.getByRole('link', { name: 'assets/' }).click()
    await page.getByRole('link', { name: 'module-001.js' }).click()
    await page.getByText('export const module1 =').waitFor()
    await page.getByRole('link', { name: 'assets', exact: true }).click()
    await page.getByRole('link', { name: 'Parent directory' }).click()
    expect(new URL(page.url()).pathname).toBe(artifact())
  })

  test('filters runs, and clears the filter', async () => {
    await page.goto('/octo/app')
    await page.getByLabel('Branch').selectOption('feature/dark')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.waitForURL('**branch=feature*')
    expect(await page.locator('table.rows tbody tr').count()).toBe(1)
    await page.goto('/octo/app?workflow=nothing')
    await page.getByText('No runs match.').waitFor()
    await page.getByRole('link', { name: 'Clear filters' }).click()
    expect(await page.locator('table.rows tbody tr').count()).toBe(3)
  })

  test('goes to a file by a few letters of its path', async () => {
    await page.goto(artifact())
    await page.keyboard.press('t')
    await page.keyboard.type('mod042')
    await page.locator('.found a').first().waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL('**/blob/assets/module-042.js')
    expect(await page.getByText('export const module42').count()).toBe(1)
  })

  test('sees a preview of each kind of file', async () => {
    const open = async (path: string): Promise<void> => {
      await page.goto(`${artifact()}/blob/${path}`)
    }
    await open('build.log')
    expect(await page.locator('.ansi-bold.fg1').textContent()).toBe('error')
    await open('config.json')
    await page.getByText('"two"').waitFor()
    await open('README.md')
    expect(await page.locator('.prose em').textContent()).toBe('small')
    const logo = page.locator('.prose img')
    expect(
      await logo.evaluate(async (image: { decode(): Promise<void>; naturalWidth: number }) => {
        await image.decode()
        return image.naturalWidth
      }),
    ).toBe(64)
    await open('sizes.csv')
    await page.getByRole('cell', { name: 'a, b.js' }).waitFor()
    await open('logo.png')
    await page.getByText('64 × 64 pixels').waitFor()
    await open('pack.zip')
    await page.getByText('inner/a.txt').waitFor()
    await open('bin/tool')
    await page.getByText('an ELF program or library').waitFor()
    await open('events.ndjson')
    await page.getByText('event: "start"').waitFor()
  })

  test('links to lines', async () => {
    await page.goto(`${artifact()}/blob/build.log#L10-L12`)
    await page.locator('.marked').first().waitFor()
    expect(await page.locator('.marked').count()).toBe(3)
  })

  test('downloads the zip, and one file', async () => {
    await page.goto(artifact())
    const [zip] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: /Download zip/ }).click(),
    ])
    expect(zip.suggestedFilename()).toBe('site.zip')
    expect(Object.keys(unzipSync(await readFile(await zip.path())))).toContain('README.md')
    await page.goto(`${artifact()}/blob/sizes.csv`)
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download', exact: true }).click(),
    ])
    expect(await readFile(await file.path(), 'utf8')).toContain('"a, b.js",120')
  })

  test('compares two runs, and one file of them', async () => {
    await page.goto(`${artifact()}/changes`)
    await page.getByText('of it from').waitFor()
    await page.getByRole('link', { name: /^moved 1/ }).click()
    await page.getByText('from old-name.txt').waitFor()
    await page.goto(`/octo/app/compare/${seeded.before}...${seeded.site}?file=build.log`)
    expect(await page.locator('.diff .added td').last().textContent()).toContain('version 2')
    await page.goto(`/octo/app/compare/${seeded.before}...${seeded.site}?file=logo.png`)
    expect(await page.locator('.side-by-side img').count()).toBe(2)
  })

  test('keeps an artifact and stops keeping it', async () => {
    await page.goto(artifact())
    await page.getByRole('button', { name: 'Keep' }).click()
    await page.getByText('Kept until someone stops keeping it.').waitFor()
    await page.getByRole('button', { name: 'Stop keeping' }).click()
    await page.getByText('Expires').first().waitFor()
    expect(await page.getByRole('button', { name: 'Keep', exact: true }).count()).toBe(1)
  })

  test('deletes with a dialog that says what is freed, and undoes it', async () => {
    const doomed = await putTar(rig.server, '42/artifacts/doomed', [
      { name: 'a.txt', content: 'only here, and nowhere else '.repeat(50) },
    ])
    await page.goto(`${run}/artifacts/${doomed}`)
    await page.getByRole('link', { name: 'Delete…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/frees \d+ B of 1\.4 KiB/).waitFor()
    // The safe choice has the focus; Escape closes the dialog.
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Delete…' }).click()
    await dialog.getByRole('button', { name: 'Delete doomed' }).click()
    await page.getByText('Deleted doomed.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.waitForURL(`**/artifacts/${doomed}`)
    await page.getByRole('link', { name: 'a.txt' }).waitFor()
  })

  test('deletes many artifacts at once', async () => {
    for (const name of ['bulk-1', 'bulk-2', 'bulk-3'])
      await putTar(rig.server, `50/artifacts/${name}`, [{ name: 'x', content: name }])
    await page.goto('/octo/app/artifacts?name=bulk')
    await page.getByText('3 artifacts').first().waitFor()
    expect(await page.locator('[data-bulk-bar]').isVisible()).toBe(false)
    await page.getByLabel('Select all').check()
    await page.getByText('3 selected:').waitFor()
    await page.getByRole('button', { name: 'Delete…' }).click()
    await page.getByRole('heading', { name: 'Delete 3 artifacts?' }).waitFor()
    await page.getByRole('button', { name: 'Delete 3 artifacts' }).click()
    await page.goto('/octo/app/artifacts?name=bulk')
    await page.getByText('No artifacts match.').waitFor()
  })

  test('finds a file by dropping it, without sending it', async () => {
    await page.goto('/find')
    const posted: string[] = []
    page.on('request', (request) => {
      if (request.method() !== 'GET') posted.push(request.url())
    })
    await page.locator('[data-find] input').setInputFiles({
      name: 'anything.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('the same words\n'),
    })
    await page.waitForURL('**/find?digest=sha256:*')
    await page.getByRole('link', { name: 'moved/new-name.txt' }).first().waitFor()
    expect(posted).toEqual([])
  })

  test('sees what is stored, and simulates another retention', async () => {
    await page.goto('/admin/storage')
    await page.getByText('Duplicate files').waitFor()
    expect(await page.locator('.chart path').count()).toBe(3)
    await page.goto('/octo/app/settings/retention?days=1')
    await page.getByText(/would have expired by now, which would free/).waitFor()
  })

  test('browses six thousand files', async () => {
    const id = await putTar(rig.server, '60/artifacts/many', manyFiles(6000))
    await page.goto(`/octo/app/actions/runs/60/artifacts/${id}`)
    expect(await page.locator('main table.rows tbody tr').count()).toBe(60)
    await page.getByRole('link', { name: 'dir-59/' }).click()
    expect(await page.locator('main table.rows tbody tr').count()).toBe(101)
  })

  test('follows the address of the latest artifact, and sees that another has expired', async () => {
    await page.goto('/octo/app/latest/main/site')
    await page.waitForURL(`**${artifact()}`)
    const expired = await putTar(
      rig.server,
      '70/artifacts/brief',
      [{ name: 'x', content: 'x' }],
      'retentionDays=1',
    )
    rig.server.clock.now += 2 * 86_400_000
    const answer = await page.goto(`/octo/app/actions/runs/70/artifacts/${expired}`)
    expect(answer?.status()).toBe(410)
    await page.getByRole('heading', { name: 'This artifact has expired' }).waitFor()
    // Browsers log every response of 400 and above; this one is expected.
    expect(rig.faults.splice(0).every((fault) => fault.includes('410'))).toBe(true)
  })
})

describe.skipIf(!hasChromium)('without scripts', () => {
  test('browsing, comparing, keeping, deleting and undoing still work', async () => {
    const rig = await openRig()
    try {
      const { before, site } = await seedProject(rig.server)
      const page = await rig.page({ javaScriptEnabled: false })
      await page.goto(`${run}/artifacts/${site}`)
      await page.getByLabel('Go to file').fill('assets/module-003.js')
      await page.getByRole('button', { name: 'Go', exact: true }).click()
      await page.getByText('export const module3').waitFor()
      expect(await page.locator('.needs-script:visible').count()).toBe(0)
      await page.goto(`/octo/app/compare/${before}...${site}`)
      await page.getByText('10 added').waitFor()
      await page.goto(`${run}/artifacts/${site}`)
      await page.getByRole('button', { name: 'Keep' }).click()
      await page.getByRole('button', { name: 'Stop keeping' }).click()
      await page.getByRole('link', { name: 'Delete…' }).click()
      await page.getByRole('button', { name: 'Delete site' }).click()
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.getByRole('link', { name: 'README.md' }).waitFor()
    } finally {
      await rig.close()
    }
  })
})
