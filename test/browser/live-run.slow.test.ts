/** The page of a run that is in progress follows it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, reportMissingChromium } from './chromium.ts'
import { openRig, type Rig } from './rig.ts'

if (!hasChromium) reportMissingChromium('a run in progress')

describe.skipIf(!hasChromium)('the page of a run in progress', () => {
  let rig: Rig
  let sequence = 0
  beforeAll(async () => {
    rig = await openRig()
    return rig.close
  }, 60_000)

  async function report(events: object[]): Promise<void> {
    const at = rig.server.clock.now
    const dated = events.map((event) => ({ at, ...event }))
    await rig.server.record(7, dated, { sequence })
    sequence += events.length
  }

  const job = 'build'
  const step = { number: 1, name: 'make' }
  const line = (text: string) => ({ type: 'line', job, step: 1, kind: 'output', text })

  test('adds jobs, logs and the outcome, and leaves open what the visitor opened', async () => {
    const page = await rig.page()
    await report([
      { type: 'run-started' },
      { type: 'job-named', job: { key: job, id: job, name: job } },
      { type: 'job-started', job },
      { type: 'step-started', job, step },
      ...Array.from({ length: 60 }, (_, index) => line(`line ${index}`)),
    ])
    await page.goto('/octo/app/actions/runs/7')
    await page.locator('summary', { hasText: 'build' }).click()
    const make = page.locator('summary', { hasText: 'make' })
    await make.click()
    const log = page.locator('pre.log')
    const isInView = async (text: string): Promise<boolean> =>
      (await page.evaluate(`(() => {
        const log = document.querySelector('pre.log')
        const range = document.createRange()
        const lines = log.firstChild.firstChild
        const at = lines.data.indexOf(${JSON.stringify(text)})
        range.setStart(lines, at)
        range.setEnd(lines, at + ${text.length})
        const [line, box] = [range, log].map((each) => each.getBoundingClientRect())
        return line.top >= box.top && line.bottom <= box.bottom
      })()`)) as boolean
    expect(await isInView('line 0\n')).toBe(false)
    expect(await isInView('line 59\n')).toBe(true)
    await report([line('a new line')])
    await page.getByText('a new line').waitFor()
    expect(await isInView('a new line')).toBe(true)
    await page.evaluate(`{
      const log = document.querySelector('pre.log')
      log.scrollTop = 100 - log.scrollHeight + log.clientHeight
    }`)
    const topLine = 'line 6\n'
    expect(await isInView(topLine)).toBe(true)
    await report(Array.from({ length: 40 }, (_, index) => line(`later line ${index}`)))
    await page.getByText('later line 39').waitFor()
    expect(await isInView(topLine)).toBe(true)
    expect(await page.evaluate('document.activeElement.textContent')).toContain('make')
    await report([
      { type: 'step-finished', job, step, conclusion: 'failure', durationMs: 1 },
      { type: 'annotation', job, step: 1, level: 'error', message: 'no rule to make it' },
      { type: 'job-finished', job, conclusion: 'failure', durationMs: 1 },
      { type: 'run-finished', conclusion: 'failure', durationMs: 1 },
    ])
    await page.getByText('no rule to make it').waitFor()
    await page.locator('#facts .badge.failure').waitFor()
    expect(await log.isVisible()).toBe(true)
    expect(await page.locator('#announcer').textContent()).toContain('Run ended: failure')
    expect(await page.locator('[data-live]').count()).toBe(0)
  }, 60_000)
})
