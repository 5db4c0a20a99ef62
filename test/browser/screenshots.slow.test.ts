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
  `branch=${encodeURIComponent(branch)}&workflow=CI&event=${branch === 'main' ? 'push' : 'pull_request'}&sha=${shas[run % 6]}5a69788796a5b4c3d2e1f00112233445`

/** Three weeks of a project: builds that share most of their files, with a log, a report and an
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
      await putTar(
        server,
        `${run}/artifacts/coverage`,
        [
          {
            name: 'index.html',
            content: `<!doctype html><h1>Coverage of run ${run}: 9${day % 9} %</h1>`,
          },
          { name: 'lcov.info', content: buildLog(run + 1000) },
        ],
        facts(run, branch),
      )
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
