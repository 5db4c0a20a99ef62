/** Previews of files that the browser itself shows: PDF, audio and video, all real; and of text
 *  longer than a page. */
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'
import { putTar } from './seed.ts'

if (!hasChromium) reportMissingChromium('previews of PDF, audio and video')

const linesTotal = 30_000

/** The parts of browser elements that the tests use. */
interface Media {
  muted: boolean
  currentTime: number
  play(): Promise<void>
}
interface Placed {
  getBoundingClientRect(): { top: number }
}

/** One second of a tone, as PCM in a RIFF file. */
function wav(): Buffer {
  const samples = 8000
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + samples, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(samples, 24)
  head.writeUInt32LE(samples, 28)
  head.writeUInt16LE(1, 32)
  head.writeUInt16LE(8, 34)
  head.write('data', 36)
  head.writeUInt32LE(samples, 40)
  const tone = Buffer.from(Array.from({ length: samples }, (_, at) => 128 + 100 * Math.sin(at / 3)))
  return Buffer.concat([head, tone])
}

/** A moving square, recorded by the browser. */
const recordFilm = `new Promise((resolve) => {
  const canvas = document.body.appendChild(document.createElement('canvas'))
  const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: 'video/webm' })
  const context = canvas.getContext('2d')
  let at = 0
  const timer = setInterval(() => context.fillRect(at++ * 5, 0, 5, 50), 50)
  recorder.ondataavailable = async ({ data }) => {
    clearInterval(timer)
    resolve([...new Uint8Array(await data.arrayBuffer())])
  }
  recorder.start()
  setTimeout(() => recorder.stop(), 600)
})`

describe.skipIf(!hasChromium)('a preview', () => {
  let rig: Rig
  let page: Page
  let artifact: string
  beforeAll(async () => {
    rig = await openRig()
    const maker = await rig.browser.newPage()
    await maker.setContent('<h1>A document</h1>')
    const id = await putTar(rig.server, '1/artifacts/media', [
      { name: 'paper.pdf', content: await maker.pdf() },
      { name: 'tone.wav', content: wav() },
      { name: 'film.webm', content: Buffer.from((await maker.evaluate(recordFilm)) as number[]) },
      { name: 'one-line.js', content: `${'x'.repeat(20_000)}the end` },
      {
        name: 'long.log',
        content: Array.from({ length: linesTotal }, (_, line) => `step ${line + 1}`).join('\n'),
      },
    ])
    await maker.close()
    artifact = `/octo/app/actions/runs/1/artifacts/${id}`
    page = await rig.page()
    return rig.close
  }, 60_000)

  test('of a PDF uses the viewer of the browser', async () => {
    await page.goto(`${artifact}/blob/paper.pdf`)
    // The viewer is a page of the browser inside the frame.
    await expect
      .poll(() => page.frames().map((frame) => new URL(frame.url()).protocol), { timeout: 15_000 })
      .toContain('chrome-extension:')
  })

  test('of audio and video plays', async () => {
    for (const [name, element] of [
      ['tone.wav', 'audio'],
      ['film.webm', 'video'],
    ] as const) {
      await page.goto(`${artifact}/blob/${name}`)
      const player = page.locator(element)
      await player.evaluate(async (media: Media) => {
        media.muted = true
        await media.play()
      })
      await expect
        .poll(() => player.evaluate((media: Media) => media.currentTime), { timeout: 10_000 })
        .toBeGreaterThan(0)
    }
  })

  test('of a long text can be extended, and a link to a line beyond its end works', async () => {
    await page.goto(`${artifact}/blob/long.log`)
    const lines = page.locator('.code li')
    const first = await lines.count()
    expect(first).toBeGreaterThan(1000)
    expect(first).toBeLessThan(linesTotal)
    await page.getByRole('link', { name: 'Show more' }).click()
    await expect.poll(() => lines.count()).toBe(linesTotal)
    expect(await lines.nth(first).textContent()).toBe(`${first + 1}step ${first + 1}`)
    expect(await page.locator('.note').count()).toBe(0)
    await page.goto('/octo/app')
    await page.goto(`${artifact}/blob/long.log#L29000-L29002`)
    await expect.poll(() => page.locator('.code .marked').count()).toBe(3)
    await expect
      .poll(() =>
        page.locator('#L29000').evaluate((line: Placed) => line.getBoundingClientRect().top),
      )
      .toBeLessThan(800)
  })

  test('of a long line can be extended', async () => {
    await page.goto(`${artifact}/blob/one-line.js`)
    expect(await page.locator('#L1').textContent()).not.toContain('the end')
    await page.getByRole('link', { name: 'Show more' }).click()
    await page.locator('#L1', { hasText: 'the end' }).waitFor()
    expect(await page.locator('.code li').count()).toBe(1)
    expect(await page.evaluate("document.activeElement?.closest('li')?.id")).toBe('L1')
  })

  test('is extended by a page of its own without scripts', async () => {
    const plain = await rig.page({ javaScriptEnabled: false })
    await plain.goto(`${artifact}/blob/long.log`)
    await plain.getByRole('link', { name: 'Show more' }).click()
    await plain.waitForURL('**bytes=*')
    expect(await plain.locator('.code li').count()).toBe(linesTotal)
  })
})
