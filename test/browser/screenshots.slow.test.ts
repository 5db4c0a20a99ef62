/** Screenshots of the main pages with real data: packages that this checkout has installed. `npm
 *  run screenshots` writes them to the folder from which the README shows them. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { TarEntry } from '../http/archives-of.ts'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { buildLog, noteUsage, png, putTar } from './seed.ts'

const directory = process.env['TROVE_SCREENSHOTS']
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))

if (!hasChromium) reportMissingChromium('screenshots')

async function packageFiles(name: string, prefix = ''): Promise<TarEntry[]> {
  const root = join(modules, name)
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  const files = found.filter((file) => file.isFile() && !file.parentPath.includes('node_modules/.'))
  return await Promise.all(
    files.map(async (file) => {
      const path = join(file.parentPath, file.name)
      return { name: `${prefix}${name}/${relative(root, path)}`, content: await readFile(path) }
    }),
  )
}

interface Pictured {
  base: number
  head: number
  run: number
}

const shas = ['8c1f0ab1', '0d52e7f3', 'b7e19c44', '4f1d2c3b', 'e21a90d7', '59c3b6f8']
const facts = (run: number, branch = 'main'): string =>
  new URLSearchParams({
    branch,
    workflow: 'CI',
    sha: `${shas[run % 6]}5a69788796a5b4c3d2e1f00112233445`,
    ordinal: String(run - 376),
    actor: run % 4 === 3 ? 'grace' : 'ada',
    ...(branch === 'main' ? { event: 'push' } : { event: 'pull_request', pullRequest: '17' }),
  }).toString()

const modulePath = 'src/module-14.ts'

/** Reports of a run: 148 tests, of which one fails in the last run, and their coverage. */
function reportFiles(run: number): TarEntry[] {
  const cases = Array.from({ length: 148 }, (_, index) => {
    const isFailed = run === 418 && index === 14
    const failure = `<failure message="expected 2 arguments, got 1">${modulePath}:31</failure>`
    const name = `module-${index % 40} handles case ${index}`
    return `<testcase classname="unit" name="${name}" time="0.03">${isFailed ? failure : ''}</testcase>`
  })
  const lines = Array.from(
    { length: 500 },
    (_, line) => `DA:${line + 1},${line % 14 === 0 ? 0 : 3}`,
  )
  return [
    { name: 'index.html', content: `<!doctype html><h1>Coverage of run ${run}</h1>` },
    {
      name: 'junit.xml',
      content: `<testsuites><testsuite name="unit">${cases.join('\n')}</testsuite></testsuites>`,
    },
    { name: 'lcov.info', content: `SF:${modulePath}\n${lines.join('\n')}\nend_of_record\n` },
  ]
}

/** The last run, as a runner records it. */
async function recordLast({ server }: Rig, run: number): Promise<void> {
  const at = server.clock.now
  const job = 'build'
  const step = { number: 1, name: 'npm test' }
  const summary = '### Sizes\n\n| Part | Size |\n|---|---|\n| site | 6.4 MiB |\n'
  await server.record(run, [
    { type: 'run-started', at },
    { type: 'job-named', at, job: { key: job, id: job, name: job } },
    { type: 'job-started', at, job },
    { type: 'step-started', at, job, step },
    { type: 'line', at, job, step: 1, kind: 'output', text: 'Tests  1 failed | 147 passed' },
    {
      type: 'annotation',
      at,
      job,
      step: 1,
      level: 'error',
      message: 'expected 2 arguments, got 1',
      file: modulePath,
      line: 31,
    },
    { type: 'summary', at, job, step: 1, text: summary },
    { type: 'step-finished', at, job, step, conclusion: 'failure', durationMs: 41_000 },
    { type: 'job-finished', at, job, conclusion: 'failure', durationMs: 93_000 },
    { type: 'run-finished', at, conclusion: 'failure', durationMs: 95_000 },
  ])
}

/** Three weeks of a project: builds that share most of their files, with a log, reports and an
 *  image. */
async function seedWeeks(rig: Rig): Promise<Pictured> {
  const { server } = rig
  const [hono, fflate, zod, drizzle] = await Promise.all([
    packageFiles('hono', 'node_modules/'),
    packageFiles('fflate', 'node_modules/'),
    packageFiles('zod', 'node_modules/'),
    packageFiles('tar-stream', 'node_modules/'),
  ])
  const pictured: Pictured = { base: 0, head: 0, run: 418 }
  for (let day = 0; day < 19; day++) {
    const run = 400 + day
    const dist: TarEntry[] = [
      { name: 'README.md', content: '# Site\n\nBuilt by **CI**; see [the log](build.log).\n' },
      { name: 'build.log', content: buildLog(run) },
      { name: 'logo.png', content: png(day < 18 ? 48 : 64) },
      {
        name: 'bin/serve',
        content: '#!/usr/bin/env node\nimport("../dist/server.js")\n',
        mode: 0o755,
      },
      ...hono!.slice(0, 200 + day * 6),
      ...(day >= 9 ? fflate! : []),
      ...(day >= 18 ? [...zod!.filter(({ name }) => name.includes('/v4/')), ...drizzle!] : []),
    ]
    const branch = day % 4 === 3 ? 'feature/dark-mode' : 'main'
    const id = await putTar(server, `${run}/artifacts/site`, dist, facts(run, branch))
    if (run === 417) pictured.base = id
    if (run === 418) pictured.head = id
    if (day % 3 === 0)
      await putTar(server, `${run}/artifacts/coverage`, reportFiles(run), facts(run, branch))
    if (run === pictured.run) await recordLast(rig, run)
    await noteUsage(server)
    server.clock.now += 86_400_000
  }
  return pictured
}

async function openPages(
  page: Page,
  { base, head, run }: Pictured,
): Promise<Record<string, string>> {
  const artifact = `/octo/app/actions/runs/${run}/artifacts/${head}`
  await page.goto('/admin/maintenance')
  await page.getByRole('button', { name: 'Read everything back' }).click()
  await page.locator('#job .badge.done').waitFor()
  return {
    projects: '/',
    runs: '/octo/app',
    run: `/octo/app/actions/runs/${run}`,
    artifact,
    file: `${artifact}/blob/build.log`,
    compare: `/octo/app/compare/${base}...${head}`,
    artifacts: '/octo/app/artifacts',
    storage: '/admin/storage',
    maintenance: new URL(page.url()).pathname + new URL(page.url()).search,
  }
}

describe.skipIf(!hasChromium)('screenshots', () => {
  test('of every main page can be taken, light and dark, desktop and phone', async () => {
    const rig = await openRig({ TROVE_STORE_QUOTA: '256MiB' })
    try {
      const pictured = await seedWeeks(rig)
      const pages = await openPages(await (await rig.context()).newPage(), pictured)
      if (directory !== undefined) await mkdir(directory, { recursive: true })
      for (const [form, viewport] of [
        ['desktop', { width: 1200, height: 800 }],
        ['phone', { width: 390, height: 800 }],
      ] as const) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const context = await rig.context({ viewport, colorScheme })
          const page = await context.newPage()
          for (const [name, path] of Object.entries(pages)) {
            await page.goto(path)
            const file = `${name}-${form}-${colorScheme}.png`
            const image = await page.screenshot({
              ...(directory !== undefined && { path: join(directory, file) }),
            })
            expect(image.length, file).toBeGreaterThan(5000)
            // A page may be long, but never wider than the screen.
            expect(
              await page.evaluate('document.documentElement.scrollWidth <= innerWidth'),
              file,
            ).toBe(true)
          }
          await context.close()
        }
      }
    } finally {
      await rig.close()
    }
  })
})
