/** The pages in Firefox: each of them without errors and policy violations, and what depends on the
 *  engine. All other tests of pages use Chromium. */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { seedEveryPage } from './every-page.ts'
import { type Firefox, hasFirefox, launchFirefox, reportMissingFirefox } from './firefox.ts'
import type { Seeded } from './seed.ts'

if (!hasFirefox) reportMissingFirefox('the pages in Firefox')

describe.skipIf(!hasFirefox)('in Firefox', () => {
  let server: TestServer
  let firefox: Firefox
  let seeded: Seeded
  let addresses: Record<string, string>
  beforeAll(async () => {
    server = await openServer({ TROVE_STORE_QUOTA: '64MiB' })
    ;({ seeded, addresses } = await seedEveryPage(server))
    firefox = await launchFirefox()
    return async () => {
      await firefox.close()
      await server.close()
    }
  }, 120_000)

  const artifact = (): string => `/octo/app/actions/runs/42/artifacts/${seeded.site}`
  const open = async (address: string): Promise<void> => {
    await firefox.open(new URL(address, server.url).href)
  }

  test('a visitor signs in by pasting a token', async () => {
    await open('/')
    await firefox.type('[name=token]', await server.token({ project: undefined, scope: 'admin' }))
    await firefox.click('main button')
    await firefox.until('document.querySelector("h1")?.textContent === "Projects"')
    expect(await firefox.faults()).toEqual([])
  })

  test('errors and policy violations are noticed', async () => {
    await firefox.evaluate(`document.body.setAttribute('style', 'color: red')`)
    await expect.poll(firefox.faults).toEqual([expect.stringContaining("style-src 'self'")])
    await firefox.evaluate(`Promise.reject(new Error('on purpose')) && undefined`)
    await expect.poll(firefox.faults).toEqual([expect.stringContaining('on purpose')])
  })

  test('every page has its style and its scripts, no errors, and fits', async () => {
    for (const [name, address] of Object.entries(addresses)) {
      await open(address)
      const seen = await firefox.evaluate(`({
        hasScripts: document.documentElement.classList.contains('js'),
        colour: getComputedStyle(document.body).backgroundColor,
        isInside: document.documentElement.scrollWidth <= innerWidth,
      })`)
      const expected = { hasScripts: true, colour: 'rgb(253, 253, 251)', isInside: true }
      expect({ name, ...(seen as object) }).toEqual({ name, ...expected })
      expect(await firefox.faults(), name).toEqual([])
    }
  }, 240_000)

  test('keys lead to a file and open a dialog that Escape closes', async () => {
    await open(artifact())
    const placeholder = `getComputedStyle(document.querySelector('[name=path]'), '::placeholder').color`
    expect(await firefox.evaluate(placeholder)).toBe('rgb(85, 96, 107)')
    await firefox.type('body', '?')
    await firefox.until(`document.querySelector('#keys').open`)
    await firefox.type('#keys', '\ue00c')
    await firefox.until(`!document.querySelector('#keys').open`)
    await firefox.type('body', 't')
    await firefox.type('[name=path]', 'mod042')
    await firefox.until(
      `document.querySelector('.found a')?.textContent === 'assets/module-042.js'`,
    )
    await firefox.type('[name=path]', '\ue007')
    await firefox.until(`location.pathname.endsWith('/blob/assets/module-042.js')`)
    expect(await firefox.faults()).toEqual([])
  })

  test('a visitor uploads a file, which workers hash and encode', async () => {
    const folder = await makeDirectory({ 'words.txt': 'sent from Firefox '.repeat(20_000) })
    await open('/octo/app/upload')
    await firefox.type('[data-files]', join(folder, 'words.txt'))
    await firefox.until(`document.querySelector('[data-chosen]').textContent.startsWith('1 file')`)
    await firefox.click('[data-start]')
    await firefox.until(`document.querySelector('main a[href$="/blob/words.txt"]') !== null`)
    const page = new URL(String(await firefox.evaluate('location.href')))
    const answer = await server.send(
      `/api/v1/artifacts/${page.pathname.split('/').at(-1)}/files/words.txt`,
    )
    expect(await answer.text()).toBe('sent from Firefox '.repeat(20_000))
    expect(await firefox.faults()).toEqual([])
  })
})
