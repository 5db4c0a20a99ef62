/** A report written by Playwright itself, opened in a browser: on a shared content host, and with
 *  its traces on a host of its own. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import type { TarEntry } from '../http/archives-of.ts'
import { chromiumPath, hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium("Playwright's own reports")

const require = createRequire(import.meta.url)
const directory = await makeDirectory()

async function writeReport(): Promise<TarEntry[]> {
  await symlink(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'))
  await mkdir(join(directory, 'tests'))
  await writeFile(
    join(directory, 'playwright.config.js'),
    `export default { testDir: 'tests', workers: 1, reporter: [['html', { open: 'never', outputFolder: 'report' }]],
      use: { trace: 'on', launchOptions: { executablePath: ${JSON.stringify(chromiumPath)}, args: ['--no-sandbox'] } } }`,
  )
  await writeFile(
    join(directory, 'tests', 'sum.spec.js'),
    `import { expect, test } from '@playwright/test'
     test('has a title', async ({ page }) => {
       await page.setContent('<title>Hello</title><h1>Hello from the page</h1>')
       await expect(page).toHaveTitle('Hello')
     })
     test('fails to add', () => { expect(1 + 1).toBe(3) })`,
  )
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  // One test fails on purpose, so the run fails too.
  await new Promise<void>((resolve) => {
    const cli = require.resolve('@playwright/test/cli')
    execFile(process.execPath, [cli, 'test'], { cwd: directory }, () => {
      resolve()
    })
  })
  const report = join(directory, 'report')
  const found = await readdir(report, { recursive: true, withFileTypes: true })
  return await Promise.all(
    found
      .filter((each) => each.isFile())
      .map(async (each) => {
        const path = join(each.parentPath, each.name)
        return { name: relative(report, path), content: await readFile(path) }
      }),
  )
}

describe.skipIf(!hasChromium)("Playwright's report", () => {
  let files: TarEntry[]
  beforeAll(async () => {
    files = await writeReport()
    expect(files.map(({ name }) => name)).toContain('index.html')
  }, 120_000)

  test('runs in its frame on a shared content host', async () => {
    const rig = await openRig({ TROVE_CONTENT_URL: 'http://content.localhost' })
    try {
      const id = await putTar(rig.server, '1/artifacts/playwright-report', files)
      const page = await rig.page()
      await page.goto('/octo/app/actions/runs/1')
      await page.getByRole('link', { name: 'index.html' }).click()
      expect(new URL(page.url()).pathname).toContain(`/artifacts/${id}/blob/index.html`)
      const frame = page.frameLocator('iframe')
      await frame.getByText('fails to add').first().click()
      await frame.getByText('Expected: 3').first().waitFor()
    } finally {
      await rig.close()
    }
  })

  test('shows its traces on a host of its own', async () => {
    const rig = await openRig({ TROVE_CONTENT_URL: 'http://*.content.localhost' })
    try {
      const id = await putTar(rig.server, '1/artifacts/playwright-report', files)
      const page = await (await rig.context()).newPage()
      await page.goto(`/octo/app/actions/runs/1/artifacts/${id}/blob/index.html`)
      const own = await page.getByRole('link', { name: 'Open in a new tab' }).getAttribute('href')
      await page.goto(own ?? '')
      await page.getByText('has a title').first().click()
      await page.locator('a[href*="trace/index.html"]').first().click()
      // The viewer shows the state after a step in a frame, which its service worker serves.
      await page.getByText('Set content').first().click()
      const snapshots = async (): Promise<string> =>
        (await Promise.all(page.frames().map((frame) => frame.content().catch(() => '')))).join('')
      await expect.poll(snapshots, { timeout: 30_000 }).toContain('Hello from the page')
      expect(new URL(page.url()).hostname).toBe(`a${id}.content.localhost`)
    } finally {
      await rig.close()
    }
  })
})
