/** The states of pages: empty, loading, uploading, expired, deleted, damaged, forbidden, too large,
 *  untrusted. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { noise } from '../actions/archives.ts'
import { makeDirectory } from '../client/tree.ts'
import { tarOf } from '../http/archives-of.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { png, putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('states of the pages')

const run = '/octo/app/actions/runs/1'
const folder = await makeDirectory()

describe.skipIf(!hasChromium)('an empty store', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig()
    return rig.close
  }, 60_000)

  /** Runs commands in a shell on the server's machine, with `trove` on the path. */
  async function pasteIntoShell(commands: string): Promise<string> {
    const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))
    await chmod(main, 0o755)
    await mkdir(join(folder, 'bin'), { recursive: true })
    await symlink(main, join(folder, 'bin', 'trove'))
    await mkdir(join(folder, 'dist'))
    await writeFile(join(folder, 'dist', 'hello.txt'), 'hello\n')
    const { stdout } = await promisify(execFile)('sh', ['-e', '-c', commands], {
      cwd: folder,
      env: {
        PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
        HOME: folder,
        TROVE_DATA: rig.server.dataDir,
      },
    })
    return stdout
  }

  test('shows commands that work as pasted, and shows the first project without a reload', async () => {
    const page = await rig.page()
    await page.goto('/')
    await page.getByRole('heading', { name: 'Nothing has been uploaded yet' }).waitFor()
    await page.getByText('Waiting for the first upload…').waitFor()
    const commands = (await page.locator('.commands pre').first().textContent()) ?? ''
    expect(await pasteIntoShell(commands)).toContain('dist')
    await page.getByRole('link', { name: 'octo/app' }).waitFor()
  }, 60_000)

  test('an empty directory, an empty file and a list without matches say so', async () => {
    const page = await rig.page()
    const id = await putTar(rig.server, '2/artifacts/hollow', [
      { name: 'nothing.txt', content: '' },
      { name: 'hollow', type: 'directory', mode: 0o755 },
    ])
    await page.goto(`/octo/app/actions/runs/2/artifacts/${id}/tree/hollow`)
    await page.getByText('This directory is empty.').waitFor()
    expect(await page.locator('main table').count()).toBe(0)
    await page.goto(`/octo/app/actions/runs/2/artifacts/${id}/blob/nothing.txt`)
    await page.getByText('This file is empty.').waitFor()
    await page.goto('/octo/app/artifacts?name=nonesuch')
    await page.getByText('No artifacts match.').waitFor()
    await page.goto('/octo/app?branch=nonesuch')
    await page.getByText('No runs match.').waitFor()
    await page.goto(`/find?digest=${'0'.repeat(64)}`)
    await page.getByText('No artifact that you can read contains this file.').waitFor()
  })
})

describe.skipIf(!hasChromium)('a page', () => {
  let rig: Rig
  let page: Page
  /** Holds comparisons. */
  let pause: Promise<void> | undefined
  beforeEach(async () => {
    pause = undefined
    rig = await openRig({}, async (step) => {
      if (step === 'comparing') await pause
    })
    page = await rig.page()
  }, 60_000)
  afterEach(async () => {
    // Browsers log every response of 400 and above; these are expected.
    const expected = /status of (403|404|410|500)/
    expect(rig.faults.splice(0).filter((fault) => !expected.test(fault))).toEqual([])
    await rig.close()
  })

  test('with a slow part is sent at once with a sentence in its place, and completed without scripts', async () => {
    const base = await putTar(rig.server, '1/artifacts/site', [{ name: 'a.txt', content: 'one' }])
    const head = await putTar(rig.server, '2/artifacts/site', [{ name: 'a.txt', content: 'two' }])
    const plain = await rig.page({ javaScriptEnabled: false })
    for (const each of [page, plain]) {
      let release = (): void => undefined
      pause = new Promise((resolve) => {
        release = resolve
      })
      await each.goto(`/octo/app/compare/${base}...${head}`, { waitUntil: 'commit' })
      await each.getByText('Comparing 1 file with 1…').waitFor()
      expect(await each.getByRole('heading', { name: 'Compare' }).isVisible()).toBe(true)
      expect(await each.locator('main table').count()).toBe(0)
      release()
      await each.getByText('1 changed').first().waitFor()
      await each.getByText('Comparing 1 file with 1…').waitFor({ state: 'hidden' })
    }
  })

  test('says that it loads file names, and that it could not', async () => {
    const id = await putTar(rig.server, '1/artifacts/site', [{ name: 'a.txt', content: 'one' }])
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let isBroken = true
    await page.route('**/paths', async (route) => {
      await held
      if (isBroken) await route.fulfill({ body: '["a.txt"]\n' })
      else await route.continue()
    })
    await page.goto(`${run}/artifacts/${id}`)
    await page.getByLabel('Go to file').fill('a')
    await page.getByText('Loading file names…').waitFor()
    release()
    // The response is truncated.
    await page.getByText('Could not load the file names.').waitFor()
    isBroken = false
    await page.getByLabel('Go to file').fill('a.')
    await page.locator('.found').getByRole('link', { name: 'a.txt' }).waitFor()
    expect(await page.locator('.found a').count()).toBe(1)
  })

  test('whose late part fails shows the error in its place', async () => {
    const base = await putTar(rig.server, '1/artifacts/site', [{ name: 'a.txt', content: 'one' }])
    const head = await putTar(rig.server, '2/artifacts/site', [{ name: 'a.txt', content: 'two' }])
    let fail = (): void => undefined
    pause = new Promise((_, reject) => {
      fail = () => {
        reject(new Error('on purpose'))
      }
    })
    await page.goto(`/octo/app/compare/${base}...${head}`, { waitUntil: 'commit' })
    await page.getByText('Comparing 1 file with 1…').waitFor()
    fail()
    await page.getByRole('alert').getByText('Something went wrong').waitFor()
    expect(await page.content()).not.toContain('on purpose')
  })

  test('of a run shows an upload in progress, and its artifact once it is complete', async () => {
    const body = await tarOf([
      { name: 'big.bin', content: noise(3_000_000, 1) },
      { name: 'junit.xml', content: '<testsuite><testcase name="adds"/></testsuite>' },
    ])
    const sent = request(
      new URL(`/api/v1/projects/octo/app/runs/1/artifacts/slow`, rig.server.url),
      {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${await rig.server.token()}`,
          'content-type': 'application/x-tar',
          'content-length': body.length,
        },
      },
    )
    const answered = new Promise((resolve) => {
      sent.on('response', resolve)
    })
    sent.write(body.subarray(0, 2_000_000))
    await expect.poll(async () => (await page.goto(run))?.status(), { timeout: 10_000 }).toBe(200)
    const row = page.getByRole('list', { name: 'Uploads in progress' }).getByRole('listitem')
    await row.getByText('1.9 MiB of 2.9 MiB received').waitFor()
    await page.evaluate('window.sameDocument = true')
    sent.end(body.subarray(2_000_000))
    await answered
    await page.getByRole('link', { name: 'slow', exact: true }).waitFor()
    await page.getByRole('link', { name: '1 test, none failed' }).waitFor()
    expect(await row.count()).toBe(0)
    expect(await page.evaluate('window.sameDocument')).toBe(true)
    await page.locator('#announcer', { hasText: '1 artifact, no uploads in progress' }).waitFor()
  })

  test('of a run shows when a stalled upload will be cleaned up', async () => {
    const offer = {
      project: 'octo/app',
      run: 1,
      name: 'left-behind',
      treeDigest: `sha256:${'a'.repeat(64)}`,
      entryCount: 1,
      fileCount: 1,
      logicalBytes: 10,
      timesDigest: `sha256:${'b'.repeat(64)}`,
    }
    const answer = await rig.server.send('/api/v1/uploads', { method: 'POST', json: offer })
    expect(answer.status).toBe(200)
    await page.goto(run)
    await page.getByText('uploading').waitFor()
    rig.server.clock.now += 5 * 60_000
    await page.getByText('upload not finished').waitFor()
    await page.getByText('5 minutes ago').waitFor()
    rig.server.clock.now += 25 * 3_600_000
    await page.getByText('This run has no artifacts.').waitFor()
    await page.getByText('trove upload NAME PATH --project octo/app --run 1').waitFor()
  })

  test('of an expired artifact says so and links to the newest version; the run keeps its row', async () => {
    const brief = await putTar(
      rig.server,
      '1/artifacts/site',
      [{ name: 'x', content: 'x' }],
      'branch=main&retentionDays=1',
    )
    rig.server.clock.now += 3 * 86_400_000
    const answer = await page.goto(`${run}/artifacts/${brief}`)
    expect(answer?.status()).toBe(410)
    await page.getByRole('heading', { name: 'This artifact has expired' }).waitFor()
    await page.getByText('and held').waitFor()
    const next = await putTar(rig.server, '2/artifacts/site', [{ name: 'x', content: 'y' }])
    await page.reload()
    await page.getByRole('link', { name: 'Newest version: run 2' }).click()
    await page.waitForURL(`**/artifacts/${next}`)
    await page.goto(run)
    const row = page.getByRole('row', { name: /site/ })
    await row.getByText('expired').first().waitFor()
    await row.getByText('2 days ago').waitFor()
    expect(await row.getByRole('link', { name: /Download/ }).count()).toBe(0)
  })

  test('of a deleted artifact offers to restore it as long as that is possible', async () => {
    const id = await putTar(rig.server, '1/artifacts/site', [{ name: 'x', content: 'x' }])
    await rig.server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
    await page.goto(`${run}/artifacts/${id}`)
    await page.getByRole('heading', { name: 'This artifact was deleted' }).waitFor()
    await page.getByRole('button', { name: 'Restore' }).click()
    await page.getByRole('link', { name: 'x', exact: true }).waitFor()
    await rig.server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
    rig.server.clock.now += 2 * 3_600_000
    await page.goto(`${run}/artifacts/${id}`)
    expect(await page.getByRole('button', { name: 'Restore' }).count()).toBe(0)
  })

  test('of a damaged artifact names the damaged files; the others stay readable', async () => {
    const bad = noise(100_000, 1)
    const id = await putTar(rig.server, '1/artifacts/site', [
      { name: 'bad.bin', content: bad },
      { name: 'good.txt', content: 'good' },
    ])
    await spoil(join(rig.server.dataDir, 'cas'), bad.subarray(50_000, 50_016))
    // A download that reads the damaged bytes reports them.
    await rig.server.send(`/api/v1/artifacts/${id}/files/bad.bin`)
    await page.goto(run)
    await page.locator('.badge.damaged').waitFor()
    for (const link of ['Download all intact files', 'Download the intact files of site as zip'])
      expect(await linkedStatus(page, link)).toBe(200)
    await page.getByRole('link', { name: 'site', exact: true }).click()
    const alert = page.getByRole('alert')
    await alert.getByText('The stored bytes of 1 file are damaged.').waitFor()
    for (const link of ['Download intact files as zip', 'Download intact files as tar.gz'])
      expect(await linkedStatus(page, link)).toBe(200)
    await alert.getByRole('link', { name: 'bad.bin' }).click()
    await page.getByText('The stored bytes of this file are damaged.').waitFor()
    expect(await page.getByText(/^(Download|Raw)/).count()).toBe(0)
    await page.goto(`${run}/artifacts/${id}/blob/good.txt`)
    await page.getByText('good', { exact: true }).waitFor()
    await putTar(rig.server, '2/artifacts/again', [{ name: 'bad.bin', content: bad }])
    await page.goto(`${run}/artifacts/${id}`)
    expect(await page.getByRole('alert').count()).toBe(0)
  })

  test('that the visitor may not see looks like one that does not exist, and links to the sign-in page', async () => {
    const id = await putTar(rig.server, '1/artifacts/site', [{ name: 'x', content: 'x' }])
    const reader = await rig.page({ scope: 'read' })
    await reader.goto(`${run}/artifacts/${id}`)
    await reader.getByRole('link', { name: 'x', exact: true }).waitFor()
    for (const name of ['Keep', 'Delete…', 'Upload', 'Maintenance'])
      expect(await reader.getByText(name, { exact: true }).count(), name).toBe(0)
    expect((await reader.goto(`${run}/artifacts/${id}/delete`))?.status()).toBe(403)
    await reader.getByRole('heading', { name: 'Not allowed' }).waitFor()
    await reader.getByRole('link', { name: 'Sign in with another token' }).click()
    await reader.getByLabel('Token').fill(await rig.server.token())
    await reader.getByRole('button', { name: 'Sign in' }).click()
    await reader.getByRole('heading', { name: 'Delete site?' }).waitFor()
    const stranger = await rig.page({ project: 'other/app' })
    for (const path of ['/octo/app', run, `${run}/artifacts/${id}`, '/octo/nonesuch']) {
      expect((await stranger.goto(path))?.status(), path).toBe(404)
      await stranger.getByRole('heading', { name: 'Not found' }).waitFor()
    }
  })

  test('of a file too large to preview shows its beginning, or says so', async () => {
    const lines = Array.from({ length: 200_000 }, (_, line) => `line ${line} of a long log`)
    const id = await putTar(rig.server, '1/artifacts/site', [
      { name: 'long.log', content: lines.join('\n') },
      { name: 'huge.png', content: Buffer.concat([png(8), noise(21 * 1024 * 1024, 1)]) },
    ])
    await page.goto(`${run}/artifacts/${id}/blob/long.log`)
    await page.getByText('line 0 of a long log').waitFor()
    const note = page.locator('.note', { hasText: 'Showing the first' })
    const before = await page.locator('.code li').count()
    await note.getByRole('link', { name: 'Show more' }).click()
    await expect.poll(async () => await page.locator('.code li').count()).toBeGreaterThan(before)
    expect(await note.getByRole('link', { name: 'Raw' }).getAttribute('href')).toContain('long.log')
    await page.goto(`${run}/artifacts/${id}/blob/huge.png`)
    await page.getByText('This image is too large to show here (21.0 MiB).').waitFor()
    expect(await page.locator('main img').count()).toBe(0)
  })

  test('of an artifact of a pull request says that it is untrusted, and shows HTML only on demand', async () => {
    const files = [{ name: 'index.html', content: '<h1>Look at me</h1>' }]
    const facts = 'branch=main&event=pull_request'
    const id = await putTar(rig.server, '90/artifacts/site', files, facts)
    const warning = page.getByText('This comes from a pull request.')
    for (const place of ['', `/artifacts/${id}`, `/artifacts/${id}/blob/index.html`]) {
      await page.goto(`/octo/app/actions/runs/90${place}`)
      await warning.waitFor()
    }
    expect(await page.locator('iframe').count()).toBe(0)
    await page.getByRole('link', { name: 'Show untrusted page' }).click()
    await page
      .frameLocator('iframe.document')
      .getByRole('heading', { name: 'Look at me' })
      .waitFor()
    await warning.waitFor()
  })
})

/** The status with which the target of a link answers. */
async function linkedStatus(page: Page, name: string): Promise<number> {
  const href = await page.getByRole('link', { name, exact: true }).getAttribute('href')
  return (await page.request.get(href!)).status()
}
