/** The buttons that copy a link which opens without signing in. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { insecureHost, openRig, type Rig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('signed links')

describe.skipIf(!hasChromium).each([
  ['over a secure origin', null],
  // Here the clipboard is missing.
  ['over plain http from another machine', `http://${insecureHost}`],
])('a signed link, %s,', (_, origin) => {
  let rig: Rig
  let artifact: string
  let page: Page
  beforeAll(async () => {
    rig = await openRig()
    const files = [{ name: 'a b/ü.txt', content: 'hello' }]
    artifact = `/octo/app/actions/runs/1/artifacts/${await putTar(rig.server, '1/artifacts/site', files)}`
    page = await rig.page({ scope: 'read', ...(origin !== null && { baseURL: origin }) })
  }, 60_000)
  afterAll(async () => {
    await rig.close()
  })

  /** What is fetched, without a token, from the address that was copied. */
  async function fetchCopied(): Promise<Response> {
    await page.getByRole('button', { name: /^Copied, works until \d/ }).waitFor()
    const elsewhere = await page.context().newPage()
    await elsewhere.goto(artifact)
    const field = elsewhere.getByRole('searchbox').first()
    await field.focus()
    await elsewhere.keyboard.press('Control+V')
    const { pathname, search } = new URL(await field.inputValue())
    await elsewhere.close()
    return await fetch(rig.server.url + pathname + search)
  }

  test('downloads the artifact', async () => {
    await page.goto(artifact)
    await page.getByRole('button', { name: 'Copy signed link' }).click()
    const response = await fetchCopied()
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/zip',
    ])
  })

  test('of a file downloads that file', async () => {
    await page.goto(`${artifact}/blob/a%20b/%C3%BC.txt`)
    const button = page.getByRole('button', { name: 'Copy signed link' })
    await button.click()
    expect(await (await fetchCopied()).text()).toBe('hello')
    // The button offers another one after a while.
    await button.waitFor()
  })

  test('is not offered without scripts, nor where a server gives none', async () => {
    const still = await rig.page({ javaScriptEnabled: false })
    await still.goto(artifact)
    expect(await still.getByText('Copy signed link').isVisible()).toBe(false)
    await page.goto(artifact)
    await page.route('**/signed-url*', async (route) => {
      await route.abort()
    })
    await page.getByRole('button', { name: 'Copy signed link' }).click()
    await page.getByRole('button', { name: 'Could not sign a link' }).waitFor()
    expect(rig.faults.splice(0)).toHaveLength(1)
  })
})
