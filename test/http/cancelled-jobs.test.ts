/** Maintenance jobs that are cancelled: over the API, on the page and by `trove jobs`. A server is
 *  held at a step of its garbage collection meanwhile. */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { gcCommand } from '../../src/cli/commands/gc.ts'
import { hasCode, storeError } from '../../src/core/errors.ts'
import { createJobs, type Jobs } from '../../src/lifecycle/background/jobs.ts'
import { createLog } from '../../src/log.ts'
import { runTroveInside } from '../cli/run-inside.ts'
import { openServer, problemOf } from './open-server.ts'

let held: Promise<void> | undefined
let release = (): void => {}
const hold = (): void => {
  held = new Promise((resolve) => (release = resolve))
}
const server = await openServer({}, undefined, async (step) => {
  if (step === 'released') await held
})
afterAll(server.close)
const admin = { project: undefined, scope: 'admin' } as const

interface Job {
  id: string
  state: string
  error: string | null
}

async function send(method: string, path: string, json?: object): Promise<Job> {
  const token = await server.token(admin)
  const answer = await server.send(path, { method, token, json })
  return (await answer.json()) as Job
}
const startGc = async (): Promise<Job> => await send('POST', '/api/v1/admin/gc', {})
const read = async ({ id }: Job): Promise<Job> => await send('GET', `/api/v1/admin/jobs/${id}`)
const cancel = async ({ id }: Job): Promise<Job> => await send('DELETE', `/api/v1/admin/jobs/${id}`)
const stateOf = (job: Job) => async (): Promise<string> => (await read(job)).state

test('a waiting job ends at once, a running one at its next step, and the log says by whom', async () => {
  hold()
  const [first, second] = [await startGc(), await startGc()]
  await expect.poll(stateOf(first)).toBe('running')
  expect(await cancel(second)).toMatchObject({ state: 'cancelled', error: null })
  expect((await cancel(first)).state).toBe('running')
  release()
  await expect.poll(stateOf(first)).toBe('cancelled')
  expect((await read(first)).error).toBeNull()
  const third = await startGc()
  await expect.poll(stateOf(third)).toBe('done')
  expect((await cancel(third)).state).toBe('done')

  const { text: log } = await runTroveInside(['audit', '--kind', 'cancel-job'], await access())
  expect(log).toMatch(new RegExp(`cancelled job ${first.id} \\(gc\\)\n.*job ${second.id}`))
  expect(log).not.toContain(third.id)
})

async function access(): Promise<Record<string, string>> {
  return await server.access(admin)
}

test('only administrators cancel jobs, and an unknown one is not found', async () => {
  const path = `/api/v1/admin/jobs/${'0'.repeat(32)}`
  expect((await server.send(path, { method: 'DELETE' })).status).toBe(403)
  const token = await server.token(admin)
  const unknown = await server.send(path, { method: 'DELETE', token })
  expect(await problemOf(unknown)).toMatchObject({ status: 404 })
})

test('the page has a button for it', async () => {
  hold()
  const job = await startGc()
  await expect.poll(stateOf(job)).toBe('running')
  const place = `/admin/maintenance?job=${job.id}`
  expect(await server.page(place, admin)).toMatch(/name="action" value="cancel"/)
  const body = new URLSearchParams({ action: 'cancel', job: job.id }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: server.url }
  const form = { method: 'POST', body, headers }
  const answer = await server.visit('/admin/maintenance', admin, form)
  expect([answer.status, answer.headers.get('location')]).toEqual([303, place])
  release()
  await expect.poll(stateOf(job)).toBe('cancelled')
  const ended = await server.page(place, admin)
  expect(ended).toContain('What it did until then stays done.')
  expect(ended).not.toContain('value="cancel"')
})

test('`trove jobs` lists jobs and cancels one; whoever waits for it is told', async () => {
  hold()
  const waiting = runGc(new AbortController().signal)
  const running = async (): Promise<string | undefined> => {
    const { text: list } = await runTroveInside(['jobs'], await access())
    return /^([0-9a-f]{32}) +gc +an administrator .* running/m.exec(list)?.[1]
  }
  await expect.poll(running).toBeDefined()
  const id = (await running())!
  const cancelling = await runTroveInside(['jobs', '--cancel', id], await access())
  expect(cancelling).toMatchObject({ status: 0, stderr: 'gc: ends at its next step\n' })
  release()
  await expect(waiting).rejects.toThrow('the gc was cancelled')
  const again = await runTroveInside(['jobs', '--cancel', id], await access())
  expect(again.stderr).toBe('gc: cancelled\n')
})

test('Ctrl-C cancels the job that a command has started', async () => {
  hold()
  const interruption = new AbortController()
  const stderr = new PassThrough()
  const running = runGc(interruption.signal, stderr)
  const newest = async (): Promise<Job> => {
    const { items } = (await send('GET', '/api/v1/admin/jobs')) as unknown as { items: Job[] }
    return items[0]!
  }
  await expect.poll(async () => (await newest()).state).toBe('running')
  interruption.abort()
  await expect(running).rejects.toMatchObject({ name: 'AbortError' })
  stderr.end()
  expect(await text(stderr)).toBe('trove: interrupted; the gc ends at its next step\n')
  const job = await newest()
  release()
  await expect.poll(stateOf(job)).toBe('cancelled')
})

/** Runs `trove gc` in this process. */
async function runGc(signal: AbortSignal, stderr = new PassThrough()): Promise<void> {
  const { TROVE_TOKEN } = await access()
  const before = process.env
  process.env = { ...before, TROVE_TOKEN, TROVE_URL: server.url }
  const flags = { url: server.url, data: undefined, json: true, now: false, 'dry-run': false }
  const invocation = {
    flags,
    operands: [],
    signal,
    stdout: new PassThrough(),
    stderr,
    commands: {},
  }
  const running = (gcCommand as Command<never>).run(invocation as never)
  // The command has read it.
  process.env = before
  await running
}

function openJobs(): { jobs: Jobs; lines: string[] } {
  const lines: string[] = []
  const log = createLog('info', (line) => lines.push(line))
  return { jobs: createJobs({ now: Date.now, log }), lines }
}

test('a cancelled job counts neither as done nor as failed; one that a stop ends fails', async () => {
  const { jobs, lines } = openJobs()
  const stop = new AbortController()
  const work = async (_: unknown, signal: AbortSignal): Promise<never> =>
    await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const place = { origin: 'request', stop: stop.signal } as const
  const [first, second] = [jobs.start('gc', work, place), jobs.start('gc', work, place)]
  await expect.poll(() => jobs.find(first.id)?.state).toBe('running')
  jobs.cancel(first.id)
  expect(await jobs.ended(first.id)).toMatchObject({ state: 'cancelled', error: null })
  expect(jobs.tallies()).toEqual([])
  expect(lines.join()).toContain('gc was cancelled')
  await expect.poll(() => jobs.find(second.id)?.state).toBe('running')
  stop.abort()
  expect(await jobs.ended(second.id)).toMatchObject({ state: 'failed' })
  expect(jobs.cancel('none')).toBeUndefined()
})

test('a job that fails for another reason after its cancellation says that in the log', async () => {
  const { jobs, lines } = openJobs()
  const work = async (_: unknown, signal: AbortSignal): Promise<never> => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw storeError('storage_full', 'no room', { neededBytes: 1 })
  }
  const { signal: stop } = new AbortController()
  const { id } = jobs.start('backup', work, { origin: 'request', stop })
  await expect.poll(() => jobs.find(id)?.state).toBe('running')
  jobs.cancel(id)
  const { state, error } = await jobs.ended(id)
  expect([state, hasCode(error, 'storage_full')]).toEqual(['failed', true])
  expect(lines.join()).toContain('backup failed')
})
