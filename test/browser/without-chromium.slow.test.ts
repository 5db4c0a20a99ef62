/** Without Chromium the tests that need it are skipped, and each file says what it did not test
 *  and how to get the browser. If Chromium is required, they fail. */
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

function runVitest(environment: Record<string, string>): { status: number | null; output: string } {
  const { TROVE_CHROMIUM_REQUIRED: _, ...inherited } = process.env
  const file = 'test/browser/storage.slow.test.ts'
  const child = spawnSync('npx', ['vitest', 'run', '--config', 'vitest.slow.config.ts', file], {
    cwd: root,
    encoding: 'utf8',
    env: { ...inherited, NO_COLOR: '1', TROVE_CHROMIUM: '/nowhere/chromium', ...environment },
  })
  return { status: child.status, output: child.stdout + child.stderr }
}

test('without a browser a run succeeds and says what it skipped, and how to get one', () => {
  const { status, output } = runVitest({})
  expect(output).toContain(
    'skipped: storage pages (/nowhere/chromium is missing: apt-get install chromium, or set TROVE_CHROMIUM)',
  )
  expect(output).toMatch(/Tests +2 skipped/)
  expect(status).toBe(0)
})

test('a run fails if the browser is required', () => {
  const { status, output } = runVitest({ TROVE_CHROMIUM_REQUIRED: '1' })
  expect(output).toContain('apt-get install chromium')
  expect(status).toBe(1)
})

test('every file of browser tests reports a missing browser', async () => {
  const files = (await readdir(here)).filter((name) => name.endsWith('.test.ts'))
  expect(files.length).toBeGreaterThan(10)
  for (const name of files) {
    const source = await readFile(`${here}/${name}`, 'utf8')
    if (import.meta.url.endsWith(name)) continue
    const [, browser] = /skipIf\(!has(Chromium|Firefox)\)/.exec(source) ?? []
    if (browser !== undefined) expect(source, name).toContain(`reportMissing${browser}(`)
  }
})
