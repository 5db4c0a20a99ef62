/** Debian's Chromium, driven by playwright-core. If it is missing, the tests that need it report
 *  that and are skipped; if TROVE_CHROMIUM_REQUIRED is set, as in CI, they fail. */
import { type Browser, chromium } from 'playwright-core'
import { existsSync } from 'node:fs'

export const chromiumPath: string = process.env['TROVE_CHROMIUM'] ?? '/usr/bin/chromium'

export const hasChromium = existsSync(chromiumPath)

export function reportMissingChromium(what: string): void {
  const advice = `${chromiumPath} is missing: apt-get install chromium, or set TROVE_CHROMIUM`
  if (process.env['TROVE_CHROMIUM_REQUIRED'] !== undefined) throw new Error(advice)
  process.stderr.write(`skipped: ${what} (${advice})\n`)
}

/** Disables background traffic, so that every request comes from the pages under test. */
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
