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
    await page.evaluate(`document.querySelector('pre.log').scrollTop = 100`)
    await report([line('the newest line')])
    await page.getByText('the newest line').waitFor()
    expect(await page.evaluate(`document.querySelector('pre.log').scrollTop`)).toBe(100)
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
