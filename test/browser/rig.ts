/** A server, and a browser with contexts that are signed in to it. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { expect } from 'vitest'
import { openServer, type TestServer } from '../http/open-server.ts'
import { launchChromium } from './chromium.ts'

export interface Visitor extends BrowserContextOptions {
  /** Default: admin, or write if a project is named. */
  scope?: 'admin' | 'write' | 'read'
  project?: string
}

export interface Rig {
  server: TestServer
  browser: Browser
  /** Opens a context that is signed in. */
  context(visitor?: Visitor): Promise<BrowserContext>
  /** Opens a page in a context of its own, and collects its faults: see `watchFaults`. */
  page(visitor?: Visitor): Promise<Page>
  faults: string[]
  /** Expects that no faults are left. */
  close(): Promise<void>
}

/** A name for the server that browsers do not take for the local machine, so that plain http to
 *  it is an insecure origin. */
export const insecureHost = 'trove.test'

/** `checkpoint`: see `openServer`. */
export async function openRig(
  environment: Record<string, string> = {},
  checkpoint?: (step: string) => void | Promise<void>,
): Promise<Rig> {
  const server = await openServer(environment, undefined, checkpoint)
  const { port } = new URL(server.url)
  // These names lead to the server without its port, which is not known in advance.
  const toServer = ['content.localhost', '*.content.localhost', insecureHost].map(
    (name) => `MAP ${name} 127.0.0.1:${port}`,
  )
  const browser = await launchChromium([`--host-resolver-rules=${toServer.join(',')}`])
  const faults: string[] = []
  const context: Rig['context'] = async ({
    project,
    scope = project === undefined ? 'admin' : 'write',
    ...options
  } = {}) => {
    const url = options.baseURL ?? server.url
    const opened = await browser.newContext({ ...options, baseURL: url })
    opened.setDefaultTimeout(15_000)
    const request =
      scope === 'admin' ? { project: undefined, scope } : { project: project ?? 'octo/app', scope }
    const value = await server.token({ ...request, expiresInSeconds: 400 * 86_400 }, 'session')
    await opened.addCookies([{ name: 'trove_session', value, url, httpOnly: true }])
    return opened
  }
  return {
    server,
    browser,
    context,
    page: async (visitor) => {
      const page = await (await context(visitor)).newPage()
      watchFaults(page, faults)
      return page
    },
    faults,
    close: async () => {
      await browser.close()
      await server.close()
      expect(faults).toEqual([])
    },
  }
}

/** Collects errors that the page throws or logs; policy violations are among the latter. */
export function watchFaults(page: Page, faults: string[] = []): string[] {
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`)
  })
  return faults
}
