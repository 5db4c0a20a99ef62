/** A machine without Chromium: the tests that need it are passed over, and each file says what it did not test and how to
 *  get the browser. Where it is required, its absence fails. */
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

function runVitest(environment: Record<string, string>): { status: number | null; said: string } {
  const { TROVE_CHROMIUM_REQUIRED: _, ...inherited } = process.env
  const file = 'test/browser/storage.slow.test.ts'
  const child = spawnSync('npx', ['vitest', 'run', '--config', 'vitest.slow.config.ts', file], {
    cwd: root,
    encoding: 'utf8',
    env: { ...inherited, NO_COLOR: '1', TROVE_CHROMIUM: '/nowhere/chromium', ...environment },
  })
  return { status: child.status, said: child.stdout + child.stderr }
}

test('without a browser a run succeeds and says what it has skipped, and how to get one', () => {
  const { status, said } = runVitest({})
  expect(said).toContain(
    'skipped: storage pages (/nowhere/chromium is missing: apt-get install chromium, or set TROVE_CHROMIUM)',
  )
  expect(said).toMatch(/Tests +2 skipped/)
  expect(status).toBe(0)
})

test('where it is required, a run fails', () => {
  const { status, said } = runVitest({ TROVE_CHROMIUM_REQUIRED: '1' })
  expect(said).toContain('apt-get install chromium')
  expect(status).toBe(1)
})

test('every file of browser tests says so', async () => {
  const files = (await readdir(here)).filter((name) => name.endsWith('.test.ts'))
  expect(files.length).toBeGreaterThan(10)
  for (const name of files) {
    const source = await readFile(`${here}/${name}`, 'utf8')
    if (source.includes('skipIf(!hasChromium)') && !import.meta.url.endsWith(name))
      expect(source, name).toMatch(/reportMissingChromium\(/)
  }
})
