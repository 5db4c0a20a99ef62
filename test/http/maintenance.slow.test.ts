/** Maintenance of a running server, scheduled and by hand, as operators see it. */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { packPaths } from '../lifecycle/stored-bytes.ts'
import { openServer, type TestServer } from './open-server.ts'

interface WireJob {
  id: string
  kind: string
  origin: string
  state: string
  error: string | null
  code: string | null
  progress: Record<string, unknown>
}

async function jobsOf(server: TestServer): Promise<WireJob[]> {
  const token = await server.token({ scope: 'admin', expiresInSeconds: 400 * 86_400 })
  const answer = await server.send('/api/v1/admin/jobs', { token })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { items: WireJob[] }).items
}

/** Returns the newest ended job that passes `isMeant`, as soon as there is one. */
async function waitForJob(
  server: TestServer,
  isMeant: (job: WireJob) => boolean,
): Promise<WireJob> {
  for (let turn = 0; turn < 1000; turn++) {
    const ended = (await jobsOf(server)).filter(
      ({ state }) => state === 'done' || state === 'failed',
    )
    const job = ended.find(isMeant)
    if (job !== undefined) return job
    await pause(20)
  }
  throw new Error(`there was no such job: ${JSON.stringify((await jobsOf(server)).slice(0, 5))}`)
}

async function pageOf(server: TestServer): Promise<string> {
  const token = await server.token({ scope: 'admin', expiresInSeconds: 400 * 86_400 })
  return await (await server.send('/admin/maintenance', { token })).text()
}

test('scheduled rounds run, free expired artifacts, and are shown', async () => {
  const server = await openServer({ TROVE_GC_INTERVAL: '1s', TROVE_MIN_FREE: '0' })
  onTestFinished(() => server.close())
  await server.put('1/a?retentionDays=1', { body: randomBytes(50_000) })
  // A dead pack has a grace period of hours; the round runs and reports what waits.
  server.clock.now += 2 * 86_400_000
  const expired = await waitForJob(server, ({ progress }) => progress['expired'] === 1)
  expect(expired).toMatchObject({ kind: 'gc', origin: 'schedule', error: null })
  server.clock.now += 2 * 86_400_000
  const freed = await waitForJob(server, ({ progress }) => Number(progress['freedBytes']) > 50_000)
  expect(freed).toMatchObject({ origin: 'schedule', state: 'done' })
  const html = await pageOf(server)
  expect(html).toContain('about every 1.0s (TROVE_GC_INTERVAL)')
  expect(html).toContain(`/admin/maintenance?job=${freed.id}`)
  expect(html).toContain('<td>schedule</td>')
  const metrics = await (await server.send('/metrics')).text()
  expect(metrics).toMatch(/^trove_jobs_total\{kind="gc",outcome="done"\} [1-9]\d*$/m)
  expect(metrics).toMatch(/^trove_jobs_total\{kind="gc",outcome="failed"\} 0$/m)
  expect(metrics).toMatch(/^trove_job_last_success_seconds\{kind="gc"\} [\d.]+$/m)
})

test('a failed round is shown and counted, and the next one runs', async () => {
  const server = await openServer({ TROVE_GC_INTERVAL: '1s', TROVE_MIN_FREE: '0' })
  onTestFinished(() => server.close())
  await server.put('1/a', { body: randomBytes(50_000) })
  // Nobody, not even root, can unlink a directory in the place of the pack.
  const [pack] = await packPaths(join(server.dataDir, 'cas'))
  await server.send('/api/v1/artifacts/1', { method: 'DELETE' })
  await rm(pack!)
  await mkdir(pack!)
  await writeFile(join(pack!, 'in-the-way'), '')
  server.clock.now += 2 * 86_400_000
  await waitForJob(server, ({ progress }) => Number(progress['waitingBytes']) > 0)
  server.clock.now += 2 * 86_400_000
  const failed = await waitForJob(server, ({ state }) => state === 'failed')
  expect(failed).toMatchObject({
    origin: 'schedule',
    code: 'internal',
    error: `internal error; see job ${failed.id} in the server's log`,
  })
  expect(await pageOf(server)).toContain('badge failed')
  expect(await (await server.send('/metrics')).text()).toMatch(
    /^trove_jobs_total\{kind="gc",outcome="failed"\} [1-9]\d*$/m,
  )

  await rm(pack!, { recursive: true })
  const freed = await waitForJob(server, ({ progress }) => Number(progress['freedBytes']) > 50_000)
  expect(freed).toMatchObject({ origin: 'schedule', state: 'done' })
})

test('without a schedule nothing runs until requested', async () => {
  const server = await openServer({ TROVE_GC_INTERVAL: 'off' })
  onTestFinished(() => server.close())
  expect(await jobsOf(server)).toEqual([])
  const html = await pageOf(server)
  expect(html).toContain('Does not run automatically: TROVE_GC_INTERVAL is off.')
  expect(html).toContain('Nothing has run since the server started')
  const token = await server.token({ scope: 'admin' })
  await server.send('/api/v1/admin/gc', { method: 'POST', json: {}, token })
  expect(await waitForJob(server, ({ state }) => state === 'done')).toMatchObject({
    kind: 'gc',
    origin: 'request',
  })
})

test('jobs are for administrators', async () => {
  const server = await openServer({ TROVE_GC_INTERVAL: 'off' })
  onTestFinished(() => server.close())
  expect((await server.send('/api/v1/admin/jobs')).status).toBe(403)
  expect((await server.send('/api/v1/admin/jobs', { token: null })).status).toBe(401)
})
