/** Uploads of a folder from a browser: the artifact equals it byte for byte, and a second upload
 *  sends only what changed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from '../actions/archives.ts'
import { makeDirectory, makeTree } from '../client/tree.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { insecureHost, openRig, type Rig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('uploads from a browser')

const files: Record<string, Buffer> = {
  'index.html': Buffer.from('<h1>hello</h1>'),
  'empty.txt': Buffer.alloc(0),
  'deep/er/ünïcode.txt': Buffer.from('text '.repeat(1000)),
  'big.bin': noise(3_000_000, 1),
  'long.txt': Buffer.from('a line of text that goes on\n'.repeat(40_000)),
}
const folder = await makeDirectory()

describe.skipIf(!hasChromium).each([
  ['over a secure origin', null],
  // Here crypto.subtle and the clipboard are missing.
  ['over plain http from another machine', `http://${insecureHost}`],
])('a folder, %s,', (_, origin) => {
  let rig: Rig
  beforeAll(async () => {
    await makeTree(folder, files)
    rig = await openRig()
    await putTar(rig.server, '1/artifacts/seed', [{ name: 'x', content: 'x' }])
    return rig.close
  }, 60_000)

  const openPage = async (): Promise<Page> =>
    await rig.page({ scope: 'write', ...(origin !== null && { baseURL: origin }) })

  /** Drops the folder as a file manager does; the page has to read its content. */
  async function dropFolder(page: Page): Promise<void> {
    const box = await page.locator('[data-drop]').boundingBox()
    const session = await page.context().newCDPSession(page)
    const at = { x: box!.x + box!.width / 2, y: box!.y + box!.height / 2 }
    const data = { items: [], files: [folder], dragOperationsMask: 1 }
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await session.send('Input.dispatchDragEvent', { type, ...at, data })
  }

  async function upload(
    name: string,
    choose: (page: Page) => Promise<void> = dropFolder,
  ): Promise<{ id: number; sentBytes: number }> {
    const page = await openPage()
    let sentBytes = 0
    page.on('request', (request) => {
      if (request.url().includes('/packs')) sentBytes += request.postDataBuffer()?.length ?? 0
    })
    await page.goto('/octo/app/upload')
    expect(await page.evaluate('crypto.subtle === undefined')).toBe(origin !== null)
    await choose(page)
    await page.getByText('5 files').waitFor()
    await page.getByLabel('Artifact name').fill(name)
    await page.getByRole('button', { name: 'Upload' }).click()
    const failed = page.getByText('Upload failed:')
    const outcome = await Promise.race([
      page.waitForURL('**/artifacts/*').then(() => 'uploaded'),
      failed.waitFor().then(
        async () => await failed.textContent(),
        () => 'uploaded',
      ),
    ])
    expect(outcome).toBe('uploaded')
    const id = Number(new URL(page.url()).pathname.split('/').at(-1))
    await page.context().close()
    return { id, sentBytes }
  }

  test('arrives complete', async () => {
    const { id, sentBytes } = await upload('site')
    for (const [path, content] of Object.entries(files)) {
      const response = await rig.server.send(
        `/api/v1/artifacts/${id}/files/${path.split('/').map(encodeURIComponent).join('/')}`,
      )
      expect([path, response.status]).toEqual([path, 200])
      expect(Buffer.from(await response.arrayBuffer()).equals(content), path).toBe(true)
    }
    expect(sentBytes).toBeGreaterThan(3_000_000)
    expect(sentBytes).toBeLessThan(3_200_000)
  })

  test('is not sent twice, and of a changed file only the changed parts are sent', async () => {
    const chosen = await upload('again', async (page) => {
      await page.locator('[data-folder]').setInputFiles(folder)
    })
    expect(chosen.sentBytes).toBe(0)
    const changed = Buffer.from(files['big.bin'] ?? '')
    changed.fill(9, 1_500_000, 1_500_100)
    await writeFile(join(folder, 'big.bin'), changed)
    const { sentBytes } = await upload('changed')
    expect(sentBytes).toBeGreaterThan(0)
    expect(sentBytes).toBeLessThan(600_000)
  })

  test('shows its progress, and resumes after it was stopped', async () => {
    const content = noise(600_000, 5)
    await writeFile(join(folder, 'big.bin'), content)
    const page = await openPage()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route('**/packs', async (route) => {
      await held
      // The stopped upload has cancelled its requests.
      await route.continue().catch(() => undefined)
    })
    await page.goto('/octo/app/upload')
    await dropFolder(page)
    await page.getByLabel('Artifact name').fill('stopped')
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.getByText('Sending missing files…').waitFor()
    expect(await page.locator('[data-hashed]').getAttribute('value')).toBe('1')
    expect(await page.locator('[data-sent]').getAttribute('value')).toBe('0')
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('Stopped. What was sent is kept for a day').waitFor()
    release()
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.waitForURL('**/artifacts/*')
    const id = new URL(page.url()).pathname.split('/').at(-1)
    const response = await rig.server.send(`/api/v1/artifacts/${id}/files/big.bin`)
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true)
    await page.context().close()
  })

  test('can be stopped while its files are hashed', async () => {
    const page = await openPage()
    // The workers never start.
    await page.route('**/assets/hash-worker*', () => undefined)
    await page.goto('/octo/app/upload')
    await dropFolder(page)
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.getByText('Hashing…').waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('Stopped.').waitFor({ timeout: 5000 })
    expect(await page.getByRole('button', { name: 'Upload' }).isEnabled()).toBe(true)
    await page.context().close()
  })

  test('under a name that is taken fails with a message that names it', async () => {
    const page = await openPage()
    await page.goto('/octo/app/upload')
    await page.getByLabel('Run').fill('1')
    await page.getByLabel('Artifact name').fill('seed')
    await page.locator('[data-files]').setInputFiles(join(folder, 'index.html'))
    await page.getByRole('button', { name: 'Upload' }).click()
    const phase = page.getByText('Upload failed:')
    await phase.waitFor()
    expect(await phase.textContent()).toContain('seed')
    expect(rig.faults.splice(0).every((fault) => fault.includes('409'))).toBe(true)
    await page.context().close()
  })
})
