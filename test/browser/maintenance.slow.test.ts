/** The maintenance page: it starts jobs, shows their progress without a reload, and reports their
 *  outcome. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from '../actions/archives.ts'
import { makeDirectory } from '../client/tree.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('the maintenance page')

const directory = await makeDirectory()

describe.skipIf(!hasChromium)('maintenance', () => {
  let rig: Rig
  let page: Page
  /** Holds garbage collections half-way, and scrubs before their first pack. */
  let pause: Promise<void> | undefined
  beforeAll(async () => {
    rig = await openRig({}, async (step) => {
      if (step === 'released' || step === 'scrub-pack-begun') await pause
    })
    await putTar(rig.server, '1/artifacts/kept', [{ name: 'a.bin', content: noise(300_000, 1) }])
    page = await rig.page()
    return rig.close
  }, 60_000)

  /** Holds jobs; returns the function that releases them. */
  function holdJobs(): () => void {
    let release = (): void => undefined
    pause = new Promise((resolve) => {
      release = resolve
    })
    return () => {
      release()
    }
  }

  const fact = (name: string) =>
    page.locator('#job dl > div').filter({ hasText: name }).locator('dd')

  test('shows the progress and the outcome of a job without a reload', async () => {
    const release = holdJobs()
    const brief = await putTar(
      rig.server,
      '2/artifacts/brief',
      [{ name: 'b.bin', content: noise(200_000, 2) }],
      'retentionDays=1',
    )
    rig.server.clock.now += 2 * 86_400_000
    await page.goto('/admin/maintenance')
    await page.getByRole('link', { name: 'All now…' }).click()
    await page.getByText('No deleted artifact could be restored now.').waitFor()
    await page.getByRole('button', { name: 'Collect everything' }).click()
    await page.waitForURL('**job=*')
    await page.locator('#job .badge.running').waitFor()
    await fact('Artifacts expired').getByText('1', { exact: true }).waitFor()
    await page.evaluate('window.sameDocument = true')
    await page.locator('#announcer', { hasText: 'Garbage collection running' }).waitFor()
    release()
    await page.locator('#job .badge.done').waitFor()
    expect(await page.evaluate('window.sameDocument')).toBe(true)
    expect(await fact('Freed').textContent()).toMatch(/^19\d\.\d KiB$/)
    await page.locator('#announcer', { hasText: 'Garbage collection done' }).waitFor()
    const gone = await rig.server.send(`/api/v1/artifacts/${brief}/archive.zip`)
    expect(gone.status).toBe(410)
  })

  test('a dry run shows what a collection would do, and does nothing', async () => {
    const id = await putTar(rig.server, '3/artifacts/doomed', [
      { name: 'c.bin', content: noise(100_000, 3) },
    ])
    await rig.server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
    rig.server.clock.now += 2 * 3_600_000
    await page.goto('/admin/maintenance')
    await page.getByRole('button', { name: 'Dry run' }).click()
    await page.locator('#job .badge.done').waitFor()
    expect(await fact('Deleted artifacts removed for good').textContent()).toBe('1')
    await page.getByRole('link', { name: 'Maintenance' }).click()
    await page
      .getByRole('row', { name: /Garbage collection, dry run.*would free/ })
      .first()
      .waitFor()
  })

  test('a scrub reads everything back, and names the damaged files', async () => {
    const release = holdJobs()
    await page.goto('/admin/maintenance')
    await page.getByRole('button', { name: 'Read everything back' }).click()
    await page.locator('#job .badge.running').waitFor()
    const verifiedAt = async () => await page.locator('#verified time').getAttribute('datetime')
    const before = await verifiedAt()
    release()
    await page.locator('#job .badge.done').waitFor()
    await expect.poll(verifiedAt).not.toBe(before)
    expect(await fact('Damaged copies').textContent()).toBe('0')
    await spoil(join(rig.server.dataDir, 'cas'), noise(300_000, 1).subarray(150_000, 150_016))
    await page.getByRole('button', { name: 'Read everything back' }).click()
    await page.locator('#job').getByText('a.bin').waitFor()
    await page.goto('/admin/maintenance')
    await page.getByRole('alert').getByText('Stored bytes of 1 artifact are damaged').waitFor()
    await page.getByRole('link', { name: 'octo/app, run 1, kept' }).click()
    await page.getByRole('alert').getByRole('link', { name: 'a.bin' }).waitFor()
  })

  test('makes a backup, and says why one failed', async () => {
    const destination = join(directory, 'copy')
    await page.goto('/admin/maintenance')
    await page.getByLabel('New directory on the server').fill(destination)
    await page.getByRole('button', { name: 'Back up' }).click()
    await page.getByText(`trove serve --data ${destination}`).waitFor()
    expect(await readdir(destination)).toContain('trove.db')
    await page.getByLabel('New directory on the server').fill(destination)
    await page.getByRole('button', { name: 'Back up' }).click()
    await page
      .getByRole('alert')
      .getByText(`${destination} already exists; choose a new name`)
      .waitFor()
  })

  test('reports an unknown job, and is forbidden to everyone but administrators', async () => {
    await page.goto('/admin/maintenance?job=00000000000000000000000000000000')
    await page.getByText('This job is no longer known').waitFor()
    const other = await (await rig.context({ scope: 'write' })).newPage()
    const answer = await other.goto('/admin/maintenance')
    expect(answer?.status()).toBe(403)
    await other.getByRole('heading', { name: 'Not allowed' }).waitFor()
  })

  test('works without scripts: a link refreshes the status', async () => {
    const release = holdJobs()
    const plain = await rig.page({ javaScriptEnabled: false })
    await plain.goto('/admin/maintenance')
    await plain.getByRole('button', { name: 'Collect', exact: true }).click()
    await plain.locator('#job .badge.running, #job .badge.waiting').waitFor()
    release()
    await expect
      .poll(async () => {
        const link = plain.getByRole('link', { name: 'Refresh' })
        if (await link.isVisible()) await link.click()
        return await plain.locator('#job .badge').textContent()
      })
      .toBe('done')
  })
})
