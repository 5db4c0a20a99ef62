/** Pages of an artifact with 100,000 files: time to first byte, weight, and responsiveness. */
import { gunzipSync } from 'node:zlib'
import { get } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { manyFiles, putTar, seedProject } from './seed.ts'

if (!hasChromium) reportMissingChromium('pages of 100,000 files')

const firstByteMsMax = 200
const roundsMax = 9
const pageBytesMax = 30 * 1024
const scriptBytesMax = 15 * 1024

describe.skipIf(!hasChromium)('with 100,000 files', () => {
  let rig: Rig
  let cookie: string
  let artifact: string
  /** All 100,000 in one directory. */
  let flat: string
  beforeAll(async () => {
    rig = await openRig()
    await seedProject(rig.server)
    cookie = `trove_session=${await rig.server.token({ expiresInSeconds: 40_000_000 }, 'session')}`
    const files = manyFiles(100_000)
    const huge = await putTar(rig.server, '90/artifacts/huge', files)
    artifact = `/octo/app/actions/runs/90/artifacts/${huge}`
    const inOne = files.map((file) => ({ ...file, name: `all/${file.name.replace('/', '-')}` }))
    const one = await putTar(rig.server, '91/artifacts/flat', inOne)
    flat = `/octo/app/actions/runs/91/artifacts/${one}`
    return rig.close
  }, 600_000)

  /** Requests gzip, as browsers do. */
  async function fetchPage(path: string): Promise<{ firstByteMs: number; bytes: Buffer }> {
    return await new Promise((resolve, reject) => {
      const startedAt = performance.now()
      const headers = { cookie, 'accept-encoding': 'gzip' }
      get(new URL(path, rig.server.url), { headers }, (response) => {
        const firstByteMs = performance.now() - startedAt
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('end', () => {
          resolve({ firstByteMs, bytes: Buffer.concat(pieces) })
        })
      }).on('error', reject)
    })
  }

  test('the first byte of a page arrives within 200 ms, and its weight is bounded', async () => {
    const figures: Record<string, string> = {}
    for (const path of [
      artifact,
      `${artifact}/tree/dir-00`,
      `${artifact}/blob/dir-00/file-000000.txt`,
      flat,
      `${flat}/tree/all`,
      `${flat}/tree/all?from=${encodeURIComponent('all/dir-30-file-050010.txt')}`,
    ]) {
      const times: number[] = []
      let bytes: Buffer = Buffer.alloc(0)
      const before = process.cpuUsage()
      for (let round = 0; round < roundsMax; round++) {
        const page = await fetchPage(path)
        times.push(page.firstByteMs)
        bytes = page.bytes
      }
      // The fastest round: other load on the machine can only add to it.
      const quickest = Math.min(...times)
      const { user, system } = process.cpuUsage(before)
      const cpuMs = (user + system) / 1000 / roundsMax
      figures[path] =
        `${quickest.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of CPU, ${bytes.length} bytes`
      process.stderr.write(`${path}: ${figures[path]}\n`)
      expect(quickest, path).toBeLessThan(firstByteMsMax)
      expect(bytes.length, path).toBeLessThan(pageBytesMax)
      expect(gunzipSync(bytes).toString()).toContain('</html>')
    }
  })

  test('no page loads more script than its budget', async () => {
    for (const path of [artifact, '/octo/app/upload', '/find', '/admin/maintenance']) {
      const html = gunzipSync((await fetchPage(path)).bytes).toString()
      let total = 0
      for (const [, source = ''] of html.matchAll(/<script type="module" src="([^"]+)"/g))
        total += (await fetchPage(source)).bytes.length
      expect(total, path).toBeLessThan(scriptBytesMax)
    }
  })

  test('a directory of 100,000 files can be paged through and scrolled without stalls', async () => {
    const context = await rig.context()
    const page = await context.newPage()
    await page.goto(`${flat}/tree/all`)
    expect(await page.locator('main table.rows tbody tr').count()).toBe(501)
    await page.evaluate(
      'window.stalls = []; new PerformanceObserver((list) => { for (const each of list.getEntries()) stalls.push(each.duration) }).observe({ type: "longtask" })',
    )
    for (let turn = 0; turn < 20; turn++) await page.mouse.wheel(0, 2000)
    await page.getByRole('link', { name: 'More entries' }).scrollIntoViewIfNeeded()
    const stalls = (await page.evaluate('stalls')) as number[]
    process.stderr.write(`stalls while scrolling: ${stalls.map(Math.round).join(', ') || 'none'}\n`)
    expect(Math.max(0, ...stalls)).toBeLessThan(200)
    await page.getByRole('link', { name: 'More entries' }).click()
    await page.waitForURL('**from=**')
    expect(await page.locator('main table.rows tbody tr').count()).toBe(501)
    await context.close()
  })

  test('the box "Go to file" shows matches quickly while typing', async () => {
    const context = await rig.context()
    const page = await context.newPage()
    await page.goto(artifact)
    const findMs = async (name: string): Promise<number> => {
      const startedAt = performance.now()
      await page.getByLabel('Go to file').fill(name)
      await page.locator('.found a', { hasText: name }).waitFor()
      return performance.now() - startedAt
    }
    const firstMs = await findMs('file-099998')
    const nextMs: number[] = []
    for (const name of ['file-012345', 'file-054321', 'file-077777'])
      nextMs.push(await findMs(name))
    process.stderr.write(`matches after ${[firstMs, ...nextMs].map(Math.round).join(', ')} ms\n`)
    // The first search fetches all paths. Of the others only the fastest counts: other load on the
    // machine can only add to it.
    expect(firstMs).toBeLessThan(10_000)
    expect(Math.min(...nextMs)).toBeLessThan(2000)
    await context.close()
  })
})
