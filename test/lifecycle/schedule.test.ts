/** Scheduled maintenance: jittered, one round at a time, and alive whatever a round does. Timers
 *  are faked. */
import { once } from 'node:events'
import SqliteDatabase from 'better-sqlite3'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { planCollection } from '../../src/lifecycle/collect/collect.ts'
import { openDiskSpace } from '../../src/lifecycle/disk-space.ts'
import { createJobs, type Jobs } from '../../src/lifecycle/background/jobs.ts'
import { type Maintenance, startMaintenance } from '../../src/lifecycle/maintenance.ts'
import { type Schedule, startSchedule } from '../../src/lifecycle/schedule.ts'
import {
  type BackgroundJobsOptions,
  startBackgroundJobs,
} from '../../src/lifecycle/background/background-jobs.ts'
import { createLog, type Log } from '../../src/log.ts'
import { createSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'
import { githubToken } from '../core/made-up-secrets.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { flipByte, packPaths } from './stored-bytes.ts'
import { testDirectory } from '../temporary-directory.ts'
import { noCapture } from '../no-capture.ts'

const hour = 60 * 60 * 1000
/** Of work that nothing stops. */
const { signal: stop } = new AbortController()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

interface Line {
  level: string
  message: string
  [field: string]: unknown
}

function keptLog(): { log: Log; lines: Line[] } {
  const lines: Line[] = []
  return { log: createLog('info', (line) => lines.push(JSON.parse(line) as Line)), lines }
}

function schedule(round: () => Promise<Record<string, number>>): {
  schedule: Schedule
  lines: Line[]
} {
  const { log, lines } = keptLog()
  const started = startSchedule({ name: 'rounds', intervalMs: hour, log, round })
  onTestFinished(() => started.stop())
  return { schedule: started, lines }
}

describe('a schedule', () => {
  test.each([
    [0, 0.9],
    [0.5, 1],
    [1 - 1e-9, 1.1],
  ])('waits for its interval, a tenth more or less (draw %d: %d of it)', async (draw, share) => {
    vi.spyOn(Math, 'random').mockReturnValue(draw)
    let rounds = 0
    schedule(async () => ({ rounds: ++rounds }))
    for (let turn = 1; turn <= 3; turn++) {
      await vi.advanceTimersByTimeAsync(share * hour - 30)
      expect(rounds).toBe(turn - 1)
      await vi.advanceTimersByTimeAsync(31)
      expect(rounds).toBe(turn)
    }
  })

  test('draws a new delay for each round, so that many servers do not synchronize', async () => {
    const draws = vi.spyOn(Math, 'random')
    schedule(async () => ({}))
    await vi.advanceTimersByTimeAsync(5 * 1.1 * hour)
    expect(draws.mock.calls.length).toBeGreaterThanOrEqual(5)
  })

  test('never runs two rounds at once, however long one takes', async () => {
    let running = 0
    let rounds = 0
    let finish = (): void => {}
    schedule(async () => {
      running += 1
      rounds += 1
      expect(running).toBe(1)
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      running -= 1
      return {}
    })
    await vi.advanceTimersByTimeAsync(10 * hour)
    expect(rounds).toBe(1)
    finish()
    await vi.advanceTimersByTimeAsync(1.2 * hour)
    expect(rounds).toBe(2)
    finish()
  })

  test.each([
    ['rejects', async () => await Promise.reject(new Error('the disk is gone'))],
    [
      'throws before it has begun',
      (): Promise<Record<string, number>> => {
        throw new Error('the disk is gone')
      },
    ],
  ])('logs a round that %s, and runs the next one all the same', async (_how, fail) => {
    let rounds = 0
    const { lines } = schedule(() => {
      rounds += 1
      return rounds < 3 ? fail() : Promise.resolve({ done: 1 })
    })
    await vi.advanceTimersByTimeAsync(3 * 1.1 * hour + 1000)
    expect(rounds).toBeGreaterThanOrEqual(3)
    expect(lines.slice(0, 3)).toMatchObject([
      { level: 'error', message: 'rounds failed', error: expect.stringContaining('disk is gone') },
      { level: 'error', message: 'rounds failed' },
      { level: 'info', message: 'rounds', done: 1 },
    ])
  })

  test('logs nothing for a round that did nothing', async () => {
    const { lines } = schedule(async () => ({ freedBytes: 0 }))
    await vi.advanceTimersByTimeAsync(5 * hour)
    expect(lines).toEqual([])
  })

  test('starts no round after its end', async () => {
    let rounds = 0
    const started = schedule(async () => {
      rounds += 1
      return {}
    })
    await started.schedule.stop()
    await vi.advanceTimersByTimeAsync(10 * hour)
    expect(rounds).toBe(0)
  })

  test('ends with the running round, and starts no other', async () => {
    let rounds = 0
    let finish = (): void => {}
    const started = schedule(async () => {
      rounds += 1
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return {}
    })
    await vi.advanceTimersByTimeAsync(1.1 * hour)
    let isOver = false
    const stopped = started.schedule.stop().then(() => {
      isOver = true
    })
    await vi.advanceTimersByTimeAsync(0)
    expect(isOver).toBe(false)
    finish()
    await stopped
    await vi.advanceTimersByTimeAsync(10 * hour)
    expect(rounds).toBe(1)
  })
})

type Plan = Parameters<typeof startMaintenance>[0]['plan']

/** Maintenance of a store whose staging fails until `heal` is called. */
async function startFailing(plan?: Plan): Promise<{
  maintenance: Maintenance
  lines: Line[]
  heal(): void
}> {
  vi.useRealTimers()
  const { metadata, packs, ports } = await openStore()
  const directory = testDirectory()
  const staging = await openStaging(join(directory, 'uploads'), { uploadBytesMax: 2 ** 30 })
  const space = await openDiskSpace({ directory, minFreeBytes: 0 })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  let isBroken = true
  const { log, lines } = keptLog()
  const maintenance = startMaintenance({
    ports: {
      metadata: {
        ...metadata,
        listStaleUploads: async (...args) => {
          if (isBroken) throw new Error('the database is gone')
          return await metadata.listStaleUploads(...args)
        },
      },
      packs,
      staging,
      now: ports.now,
    },
    space,
    requirePacks: async () => {},
    clock: { look: () => null, believedNow: ports.now },
    log,
    intervalMs: hour,
    compactBytesPerSecond: null,
    historyMs: limits.historyMs,
    plan:
      plan ??
      (async (options) => await planCollection({ metadata, packs, now: ports.now }, options)),
  })
  onTestFinished(async () => {
    vi.useRealTimers()
    await maintenance.close()
  })
  return {
    maintenance,
    lines,
    heal: () => {
      isBroken = false
    },
  }
}

test('a stop ends a dry run, which is planned elsewhere', async () => {
  const asked: unknown[] = []
  const { maintenance, lines } = await startFailing(async (options, signal) => {
    asked.push(options.reach)
    await once(signal, 'abort')
    throw signal.reason
  })
  const { id } = maintenance.collect({ reach: 'now', dryRun: true })
  await settle(() => asked.length > 0)
  await maintenance.close()
  expect(maintenance.jobs.find(id)).toMatchObject({ state: 'failed', dryRun: true })
  expect({ asked, lines }).toEqual({ asked: ['now'], lines: [] })
})

/** Lets an hour pass, and the round that it triggers end. */
async function passRound({ jobs }: Maintenance): Promise<void> {
  const before = jobs.list().length
  await vi.advanceTimersByTimeAsync(1.1 * hour)
  expect(jobs.list().length).toBe(before + 1)
  await settle(() => jobs.list()[0]!.endedAt !== null)
}

/** Waits, turn by turn of the event loop, for something already in progress. */
async function settle(isSettled: () => boolean): Promise<void> {
  const until = performance.now() + 10_000
  while (!isSettled() && performance.now() < until)
    await new Promise((resolve) => setImmediate(resolve))
  expect(isSettled()).toBe(true)
  await new Promise((resolve) => setImmediate(resolve))
}

/** Fakes timers from then on. */
function startJobs(
  { directory, metadata }: TestStore,
  settings: Pick<BackgroundJobsOptions, 'scrubIntervalMs' | 'secrets'>,
): { jobs: Jobs; lines: Line[] } {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { log, lines } = keptLog()
  const jobs = createJobs({ now: Date.now, log })
  const backgroundJobs = startBackgroundJobs({
    dataDir: directory,
    packPlace: { kind: 'directory', directory: join(directory, 'cas') },
    findSuccessor: async () => undefined,
    sharedLog: createSharedLog(),
    jobs,
    metadata,
    log,
    snapshotIntervalMs: null,
    changesIntervalMs: 1000,
    capture: noCapture,
    scrubBytesPerSecond: null,
    ...settings,
  })
  onTestFinished(() => backgroundJobs.close())
  return { jobs, lines }
}

describe('scheduled scrub', () => {
  test('reads what is due, logs damage, and appears as a job', async () => {
    vi.useRealTimers()
    const store = await openStore()
    await store.put('build', 'file', Readable.from([randomBytes(5000)]))
    const [pack] = await packPaths(join(store.directory, 'cas'))
    await flipByte(pack!, 3000)
    const database = new SqliteDatabase(join(store.directory, 'trove.db'))
    database.exec('UPDATE packs SET created_at = 1, verified_at = 1')
    database.close()
    const { jobs, lines } = startJobs(store, { scrubIntervalMs: 30 * 24 * hour, secrets: false })
    await vi.advanceTimersByTimeAsync(1.1 * limits.scrubRoundMs)
    await vi.waitFor(() => expect(jobs.list()).toMatchObject([{ endedAt: expect.any(Number) }]), {
      timeout: 20_000,
    })
    expect(jobs.list()).toMatchObject([
      { kind: 'scrub', origin: 'schedule', state: 'done', progress: { damagedCopies: 1 } },
    ])
    expect(lines).toMatchObject([
      { level: 'error', message: 'a stored copy is damaged', fault: 'its bytes have changed' },
      { level: 'info', message: 'scrub', damagedCopies: 1 },
    ])
    // Nothing is due after that.
    await vi.advanceTimersByTimeAsync(5 * limits.scrubRoundMs)
    expect(jobs.list()).toHaveLength(1)
  })
})

describe('the scheduled scan for secrets', () => {
  test('runs when something is new, and logs its findings', async () => {
    vi.useRealTimers()
    const store = await openStore()
    await store.put('build', 'file', Readable.from([Buffer.from(githubToken())]), {
      fileName: 'ci.log',
      expiresAt: Date.now() + hour,
    })
    const { lines } = startJobs(store, { scrubIntervalMs: null, secrets: true })
    await vi.advanceTimersByTimeAsync(1.1 * limits.secretRoundMs)
    await vi.waitFor(() => expect(lines).toMatchObject([{ message: 'secrets', secrets: 1 }]), {
      timeout: 20_000,
    })
    // The result was recorded at once; there is nothing to do after that.
    await vi.advanceTimersByTimeAsync(5 * limits.secretRoundMs)
    expect(lines).toHaveLength(1)
  })
})

test('a job whose request was invalid is logged without a stack, and not as an error', async () => {
  const { maintenance, lines } = await startFailing()
  const refuse = async (): Promise<never> => {
    throw storeError('invalid_request', '/x already exists; choose a new name', {
      field: 'destination',
    })
  }
  const { id } = maintenance.jobs.start('backup', refuse, { origin: 'request', stop })
  expect(await maintenance.jobs.ended(id)).toMatchObject({
    state: 'failed',
    error: { code: 'invalid_request' },
  })
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'info',
      message: 'backup was refused',
      job: id,
      reason: '/x already exists; choose a new name',
    }),
  ])
  expect(maintenance.jobs.tallies()).toEqual([])
})

test('a job that nobody asked for is not refused: it failed', async () => {
  const { maintenance, lines } = await startFailing()
  const fail = async (): Promise<never> => {
    throw storeError('invalid_request', 'the bucket holds the packs of another store', {
      field: 'TROVE_S3_BUCKET',
    })
  }
  const { id } = maintenance.jobs.start('snapshot', fail, { origin: 'schedule', stop })
  await maintenance.jobs.ended(id)
  expect(lines).toMatchObject([{ level: 'error', message: 'snapshot failed', job: id }])
  expect(maintenance.jobs.tallies()).toMatchObject([{ kind: 'snapshot', failed: 1 }])
})

test('a dry run does not count as a collection', async () => {
  const { maintenance } = await startFailing()
  const plan = maintenance.collect({ reach: 'now', dryRun: true })
  expect(await maintenance.jobs.ended(plan.id)).toMatchObject({ dryRun: true, state: 'done' })
  expect(maintenance.jobs.tallies()).toEqual([])
})

describe('scheduled garbage collection', () => {
  test('that fails is logged, shown, counted, and retried', async () => {
    const { maintenance, lines, heal } = await startFailing()
    await passRound(maintenance)
    expect(lines).toMatchObject([
      { level: 'error', message: 'gc failed', error: expect.stringContaining('database is gone') },
    ])
    expect(maintenance.jobs.list()).toMatchObject([
      { kind: 'gc', origin: 'schedule', state: 'failed', error: { message: /database is gone/ } },
    ])
    heal()
    await passRound(maintenance)
    expect(maintenance.jobs.list()).toMatchObject([
      { origin: 'schedule', state: 'done', error: null },
      { state: 'failed' },
    ])
    expect(maintenance.jobs.tallies()).toMatchObject([
      { kind: 'gc', done: 1, failed: 1, lastDoneAt: expect.any(Number) },
    ])
  })

  test('waits for a requested one, and the other way round', async () => {
    const { maintenance, heal } = await startFailing()
    heal()
    const asked = [
      maintenance.collect({ reach: 'now', dryRun: false }),
      maintenance.collect({ reach: 'now', dryRun: true }),
    ]
    await vi.advanceTimersByTimeAsync(1.1 * hour)
    const running = (): number =>
      maintenance.jobs.list().filter(({ state }) => state === 'running').length
    await settle(() => {
      expect(running()).toBeLessThanOrEqual(1)
      return maintenance.jobs.list().every(({ state }) => state === 'done')
    })
    expect(asked.map(({ id }) => maintenance.jobs.find(id)!.state)).toEqual(['done', 'done'])
    expect(maintenance.jobs.list()).toHaveLength(3)
  })
})
