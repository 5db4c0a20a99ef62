import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import type { RunEvent } from '../../src/workflow/events.ts'
import { createPlayground, oneJob } from './playground.ts'

/** A sink that aborts when a job prints `ready`. */
function abortWhenReady(controller: AbortController): (event: RunEvent) => void {
  return (event) => {
    if (event.type === 'line' && event.kind === 'output' && event.text === 'ready')
      controller.abort()
  }
}

test('a step that exceeds timeout-minutes fails and is stopped with all its processes', async () => {
  const place = await createPlayground()
  const startedAt = Date.now()
  const run = await place.run(
    oneJob(`
- {name: slow, run: 'sleep 61 & echo $! > \${{ runner.temp }}/pid; sleep 60', timeout-minutes: 0.005}
- {name: after, if: failure(), run: 'grep -s State: /proc/$(cat \${{ runner.temp }}/pid)/status | grep -v Z && exit 1; exit 0'}
`),
  )
  expect(run.conclusion).toBe('failure')
  expect(run.steps('job')).toEqual({ slow: 'failure', after: 'success' })
  expect(run.log('job')).toContain("The action 'slow' has timed out after 0.005 minutes.")
  expect(Date.now() - startedAt).toBeLessThan(20_000)
})

test('a job that exceeds its timeout-minutes is cancelled, and always() steps still run', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(
      "- {name: slow, run: sleep 60}\n- {name: cleanup, if: always(), run: 'echo cleaned ${{ job.status }}'}",
      'timeout-minutes: 0.005',
    ),
  )
  expect(run.conclusions).toEqual({ job: 'cancelled' })
  expect(run.steps('job')).toEqual({ slow: 'cancelled', cleanup: 'success' })
  expect(run.log('job')).toContain('cleaned cancelled')
  const messages = place.events.flatMap((event) =>
    event.type === 'annotation' ? [event.annotation.message] : [],
  )
  expect(messages).toContain('The job has exceeded the maximum execution time of 0.005 minutes.')
})

test('cancelling stops the running step, runs always() and cancelled() steps and jobs, and starts nothing else', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const run = await place.run(
    `
on: push
jobs:
  job:
    runs-on: x
    steps:
      - {name: work, run: 'echo ready; sleep 60'}
      - {name: next, run: echo no}
      - {name: always, if: always(), run: echo cleaned}
      - {name: cancelled, if: cancelled(), run: echo told}
      - {name: failed, if: failure(), run: echo no}
  later: {runs-on: x, needs: job, steps: [{run: 'true'}]}
  report: {runs-on: x, needs: job, if: always(), steps: [{run: 'echo \${{ needs.job.result }}'}]}
`,
    { signal: cancel.signal, sinks: [(event) => place.events.push(event), abortWhenReady(cancel)] },
  )
  expect(run.conclusion).toBe('cancelled')
  expect(run.conclusions).toEqual({ job: 'cancelled', later: 'cancelled', report: 'success' })
  expect(run.steps('job')).toEqual({
    work: 'cancelled',
    next: 'skipped',
    always: 'success',
    cancelled: 'success',
    failed: 'skipped',
  })
  expect(run.log('report')).toMatch(/^cancelled$/m)
})

test('a step whose condition holds in a cancelled job is not stopped', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const run = await place.run(
    oneJob("- {name: work, if: always(), run: 'echo ready; sleep 0.3; echo finished'}"),
    {
      signal: cancel.signal,
      sinks: [(event) => place.events.push(event), abortWhenReady(cancel)],
    },
  )
  expect(run.steps('job')).toEqual({ work: 'success' })
  expect(run.conclusions).toEqual({ job: 'cancelled' })
  expect(run.log('job')).toContain('finished')
})

test('a job whose condition holds in a cancelled run continues, also while it waits for a slot', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const run = await place.run(
    `
on: push
jobs:
  first: {runs-on: x, steps: [{run: 'echo ready; sleep 60'}]}
  report:
    runs-on: x
    if: always()
    strategy: {matrix: {n: [1, 2]}}
    steps: [{name: work, if: '!cancelled()', run: sleep 0.3; echo finished}, {name: next, run: echo next}]
`,
    {
      jobsMax: 2,
      signal: cancel.signal,
      sinks: [(event) => place.events.push(event), abortWhenReady(cancel)],
    },
  )
  expect(run.conclusion).toBe('cancelled')
  expect(run.conclusions).toEqual({
    first: 'cancelled',
    'report (1)': 'success',
    'report (2)': 'success',
  })
  expect(run.steps('report (1)')).toEqual({ work: 'success', next: 'success' })
  expect(run.log('report (2)')).toContain('next')
})

test('a step whose processes must not be signalled, as under sudo, ends the job when it ends', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
  })
  try {
    const run = await place.run(oneJob("- {name: work, run: 'echo ready; sleep 0.5'}"), {
      signal: cancel.signal,
      sinks: [(event) => place.events.push(event), abortWhenReady(cancel)],
    })
    expect(run.steps('job')).toEqual({ work: 'cancelled' })
    expect(kill).toHaveBeenCalled()
  } finally {
    kill.mockRestore()
  }
})

test('a process that ignores SIGINT and SIGTERM is killed after the grace period', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const startedAt = Date.now()
  const run = await place.run(
    oneJob(`- {name: stubborn, run: "trap '' INT TERM; echo ready; while :; do sleep 0.2; done"}`),
    {
      signal: cancel.signal,
      sinks: [(event) => place.events.push(event), abortWhenReady(cancel)],
    },
  )
  expect(run.steps('job')).toEqual({ stubborn: 'cancelled' })
  expect(Date.now() - startedAt).toBeLessThan(20_000)
})

test('a process gets SIGINT first and can clean up', async () => {
  const place = await createPlayground()
  const cancel = new AbortController()
  const run = await place.run(
    oneJob(
      `- {name: polite, run: "trap 'echo cleaning; exit 1' INT; echo ready; sleep 60 & wait"}`,
    ),
    {
      signal: cancel.signal,
      grace: { interruptMs: 4_000, terminateMs: 1_000 },
      sinks: [(event) => place.events.push(event), abortWhenReady(cancel)],
    },
  )
  expect(run.log('job')).toMatch(/^cleaning$/m)
})

test('killing ends everything at once, including always() steps', async () => {
  const place = await createPlayground()
  const kill = new AbortController()
  const run = await place.run(
    oneJob(
      `- {name: work, run: "trap '' INT TERM; echo $$ > $KEEP; echo ready; sleep 60"}\n- {name: always, if: always(), run: echo no}`,
    ),
    {
      kill: kill.signal,
      environment: { PATH: '/usr/bin:/bin', KEEP: `${place.root}/pid` },
      grace: { interruptMs: 60_000, terminateMs: 60_000 },
      sinks: [(event) => place.events.push(event), abortWhenReady(kill)],
    },
  )
  expect(run.steps('job')).toEqual({ work: 'cancelled', always: 'cancelled' })
  const pid = Number(await readFile(`${place.root}/pid`, 'utf8'))
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})

test('the first failure in a matrix cancels the other instances, unless fail-fast is off', async () => {
  const place = await createPlayground()
  const workflow = (failFast: boolean): string => `
on: push
jobs:
  shard:
    runs-on: x
    strategy:
      fail-fast: ${failFast}
      matrix: {n: [1, 2, 3]}
    steps:
      - if: matrix.n == 1
        run: exit 1
      - run: sleep ${failFast ? 30 : 0.1}
`
  const fast = await place.run(workflow(true), { jobsMax: 2 })
  expect(fast.conclusion).toBe('failure')
  expect(fast.conclusions).toEqual({
    'shard (1)': 'failure',
    'shard (2)': 'cancelled',
    'shard (3)': 'cancelled',
  })
  const slow = await place.run(workflow(false), { jobsMax: 2 })
  expect(slow.conclusions).toEqual({
    'shard (1)': 'failure',
    'shard (2)': 'success',
    'shard (3)': 'success',
  })
})
