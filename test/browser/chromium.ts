/** Debian's Chromium, driven by playwright-core. Where it is missing the tests that need it say so and are passed over,
 *  unless TROVE_CHROMIUM_REQUIRED is set (as CI does), when its absence is a failure. */
import { type Browser, chromium } from 'playwright-core'
import { existsSync } from 'node:fs'

export const chromiumPath: string = process.env['TROVE_CHROMIUM'] ?? '/usr/bin/chromium'

export const hasChromium = existsSync(chromiumPath)

export function reportMissingChromium(what: string): void {
  const advice = `${chromiumPath} is missing: apt-get install chromium, or set TROVE_CHROMIUM`
  if (process.env['TROVE_CHROMIUM_REQUIRED'] !== undefined) throw new Error(advice)
  process.stderr.write(`skipped: ${what} (${advice})\n`)
}

/** Nothing in the background asks the network: every request is one of the pages under test. */
export async function launchChromium(args: string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
}
