/** Changes of the metadata that follow a snapshot in a bucket. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { invalidRequest } from '../../src/core/errors.ts'
import { decodeChanges, readRecords } from '../../src/lifecycle/snapshot/changes.ts'
import { openSeries, type Series } from '../../src/lifecycle/snapshot/series.ts'
import { createLog } from '../../src/log.ts'
import type { PageCapture, PageSink } from '../../src/metadata/metadata.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { answering, type FakeS3, placeIn, startFakeS3 } from '../packs/fake-s3.ts'

const pageBytes = 4096
const recordBytes = 4 + pageBytes
/** Length of the database. */
const pageCount = 100
const patience = { timeout: 10_000 }

/** Pages that are written by hand. */
function createCapture() {
  let sink: PageSink | undefined
  let repeats = 0
  const isBroken = { is: false }
  const capture: PageCapture = {
    recordBytes,
    start: async (to) => {
      await turn()
      if (isBroken.is) throw new Error('it cannot be read')
      sink = to
    },
    repeat: async () => {
      await turn()
      repeats += 1
    },
    flush: async () => {
      if (sink === undefined) throw new Error('no pages are captured')
      sink.onCommitted(pageCount)
    },
    stop: () => {
      sink = undefined
    },
  }
  return {
    capture,
    isBroken,
    isRunning: () => sink !== undefined,
    repeats: () => repeats,
    /** Writes pages whose every byte is `value`. */
    write: (numbers: number[], value: number, isCommitted = true): void => {
      const records = Buffer.alloc(numbers.length * recordBytes, value)
      for (const [index, number] of numbers.entries())
        records.writeUInt32BE(number, index * recordBytes)
      sink?.onPages(records)
      if (isCommitted) sink?.onCommitted(pageCount)
    },
    lose: () => sink?.onLost('it is said so'),
  }
}

interface Rig extends ReturnType<typeof createCapture> {
  fake: FakeS3
  series: Series
  warnings: string[]
  /** Whether the bucket is that of another store. */
  foreign: { is: boolean }
  /** Takes a snapshot after number `last`. */
  snapshot(last?: number): Promise<number>
  /** The objects of changes in order, with the values of their pages. */
  sent(): Promise<{ completes: number | null; pageCount: number; pages: Record<number, number> }[]>
}

async function openRig(intervalMs: number | null = 20): Promise<Rig> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const rig = createCapture()
  const warnings: string[] = []
  const foreign = { is: false }
  const series = openSeries({
    capture: rig.capture,
    openBucket: async () => await openS3Bucket(placeIn(fake)),
    requireOwn: async () => {
      if (foreign.is) throw invalidRequest('TROVE_S3_BUCKET', 'it is of another store')
    },
    intervalMs,
    log: createLog('warn', (line) =>
      warnings.push((JSON.parse(line) as { message: string }).message),
    ),
  })
  onTestFinished(() => series.close())
  return {
    ...rig,
    fake,
    series,
    warnings,
    foreign,
    snapshot: async (last = 0) =>
      await series.follow(last, async ({ number, complete }) => {
        await complete()
        return number
      }),
    sent: async () => {
      const keys = [...fake.objects.keys()].filter((key) => key.endsWith('.changes.gz'))
      const all = keys.toSorted().map(async (key) => {
        const { header, records } = await decodeChanges(key, fake.objects.get(key)!.bytes)
        const pages = [...readRecords(records, recordBytes)].map(([number, page]) => [
          number,
          page[9],
        ])
        const { recordBytes: _, ...rest } = header
        return { ...rest, pages: Object.fromEntries(pages) }
      })
      return await Promise.all(all)
    },
  }
}

test('changes follow a snapshot, each page once per object and as of a commit', async () => {
  const { write, snapshot, sent, series } = await openRig()
  expect(series.isFollowing()).toBe(false)
  expect(await snapshot(40)).toBe(42)
  expect(series.isFollowing()).toBe(true)
  expect(series.lagMs()).toBe(0)
  write([1, 2], 7)
  write([2, 3], 8)
  write([1, 9], 9, false)
  expect(series.lagMs()).toBeGreaterThan(0)
  await vi.waitFor(async () => {
    expect(await sent()).toEqual([
      { completes: 42, pageCount, pages: {} },
      { completes: 42, pageCount, pages: { 1: 7, 2: 8, 3: 8 } },
    ])
  }, patience)
  // What is not committed waits, too.
  expect(series.lagMs()).toBeGreaterThan(0)
  write([5], 10)
  await vi.waitFor(async () => {
    expect((await sent())[2]).toEqual({ completes: 42, pageCount, pages: { 1: 9, 5: 10, 9: 9 } })
    expect(series.lagMs()).toBe(0)
  }, patience)
  expect(await snapshot()).toBe(45)
})

test('many changes do not wait for the interval, and are sent whole', async () => {
  const { write, snapshot, sent } = await openRig(60_000)
  await snapshot()
  const pages = Array.from({ length: 2200 }, (_, index) => index + 1)
  for (let at = 0; at < pages.length; at += 100) write(pages.slice(at, at + 100), 1 + at / 100)
  await vi.waitFor(async () => {
    const all = Object.assign({}, ...(await sent()).map((object) => object.pages)) as object
    expect(all).toEqual(
      Object.fromEntries(pages.map((page) => [page, 1 + Math.floor((page - 1) / 100)])),
    )
  }, patience)
})

// Goal: each object is a request of the server, and another one of a restore. Method: the bucket
// takes its time for many changes, while further commits change as much; then little changes.
test('commits during a long send do not each become an object', async () => {
  const { fake, write, snapshot, sent } = await openRig(60_000)
  await snapshot()
  const many = Array.from({ length: 2100 }, (_, index) => index + 1)
  let requests = 0
  fake.before = async () => {
    requests += 1
    if (requests === 1) for (const value of [2, 3, 4, 5]) write(many, value)
    else write([requests], 6)
    return undefined
  }
  write(many, 1)
  await vi.waitFor(async () => expect(await sent()).toHaveLength(3), patience)
  await sleep(300)
  const counts = (await sent()).map(({ pages }) => Object.keys(pages).length)
  expect(counts).toEqual([0, 2100, 2100])
})

/** Makes the bucket refuse everything; returns how often it has. */
function refuseAll(fake: FakeS3): () => number {
  let refused = 0
  fake.before = async (request, response) => {
    refused += 1
    return await answering(403, 'AccessDenied')(request, response)
  }
  return () => refused
}

test('what a bucket does not take is sent later, with what came since', async () => {
  const { fake, write, snapshot, sent, series } = await openRig()
  await snapshot()
  const refused = refuseAll(fake)
  write([1, 2], 1)
  await vi.waitFor(() => expect(refused()).toBeGreaterThan(0), patience)
  expect(series.lagMs()).toBeGreaterThan(0)
  write([2, 3], 2)
  await vi.waitFor(() => expect(refused()).toBeGreaterThan(3), patience)
  fake.before = async () => undefined
  await vi.waitFor(async () => {
    const pages = (await sent()).map((object) => object.pages)
    expect(pages).toEqual([{}, { 1: 1, 2: 1 }, { 2: 2, 3: 2 }])
  }, patience)
  expect(series.isFollowing()).toBe(true)
})

test('what a bucket does not take is sent without another change; each outage is told once', async () => {
  const { fake, write, snapshot, series, warnings } = await openRig()
  await snapshot()
  for (let outage = 1; outage <= 2; outage++) {
    const refused = refuseAll(fake)
    write([outage], 1)
    await vi.waitFor(() => expect(refused()).toBeGreaterThan(3), patience)
    expect(warnings).toEqual(Array(outage).fill('changes of the metadata cannot be sent yet'))
    fake.before = async () => undefined
    await vi.waitFor(() => expect(series.lagMs()).toBe(0), patience)
  }
})

// A service may remove an object later than it seems, by when the object has been sent again.
test('changes that may have arrived are not removed, and are sent again as they were', async () => {
  const { fake, write, snapshot, sent } = await openRig()
  await snapshot()
  let refused = 0
  fake.after = async (request, response) => {
    refused += 1
    return await answering(403, 'AccessDenied')(request, response)
  }
  write([1], 1)
  await vi.waitFor(() => expect(refused).toBeGreaterThan(0), patience)
  write([1, 2], 2)
  fake.after = async () => undefined
  await vi.waitFor(async () => {
    expect((await sent()).map(({ pages }) => pages)).toEqual([{}, { 1: 1 }, { 1: 2, 2: 2 }])
  }, patience)
  expect(fake.requests.filter((request) => request.startsWith('DELETE'))).toEqual([])
})

test('objects are sent one after another, also those that complete a snapshot', async () => {
  const { fake, write, snapshot, sent } = await openRig()
  await snapshot()
  let sending = 0
  let most = 0
  fake.before = async () => {
    sending += 1
    most = Math.max(most, sending)
    await sleep(50)
    sending -= 1
    return undefined
  }
  write([1], 1)
  await vi.waitFor(() => expect(sending).toBe(1), patience)
  write([1, 2], 2)
  await snapshot()
  expect(most).toBe(1)
  expect((await sent()).map(({ pages }) => pages)).toEqual([{}, { 1: 1 }, { 1: 2, 2: 2 }])
})

test('a later snapshot of a series gets what may not be in the file yet', async () => {
  const { series, snapshot, repeats } = await openRig()
  await snapshot()
  expect(repeats()).toBe(0)
  await series.follow(0, async () => {
    expect(repeats()).toBe(1)
  })
})

test('counts what was sent since the copying of the last snapshot began', async () => {
  const { fake, write, snapshot, series } = await openRig(60_000)
  const sizes = (): number[] => [...fake.objects.values()].map(({ bytes }) => bytes.length)
  await snapshot()
  write([1], 1)
  await series.confirm()
  write([1, 2], 2)
  await series.confirm()
  const [first, second, third] = sizes()
  expect(series.sentSince()).toEqual({ objects: 3, bytes: first! + second! + third! })
  await snapshot()
  expect(series.sentSince()).toEqual({ objects: 1, bytes: sizes()[3] })
})

describe('changes no longer follow', () => {
  test('when pages may have been missed, until the next snapshot begins another series', async () => {
    const { fake, lose, isRunning, snapshot, series } = await openRig()
    await snapshot()
    lose()
    expect([series.isFollowing(), isRunning()]).toEqual([false, false])
    expect(await snapshot(1)).toBe(3)
    const names = [...fake.objects.keys()].map((key) => /-(.*)\.changes/.exec(key)![1])
    expect(new Set(names).size).toBe(2)
  })

  test('when more waits than memory should hold', async () => {
    const { fake, write, snapshot, series, isRunning, warnings } = await openRig()
    await snapshot()
    fake.before = answering(403, 'AccessDenied')
    for (let page = 1; page < 9000 && isRunning(); page += 100)
      write(
        Array.from({ length: 100 }, (_, index) => page + index),
        1,
      )
    expect(series.isFollowing()).toBe(false)
    expect(warnings.at(-1)).toMatch(/do not follow until the next snapshot/)
  })

  test('when another store has taken the bucket over', async () => {
    const { foreign, write, snapshot, sent, series } = await openRig()
    await snapshot()
    foreign.is = true
    write([1], 1)
    await vi.waitFor(() => {
      expect(series.isFollowing()).toBe(false)
    }, patience)
    expect(await sent()).toHaveLength(1)
  })

  test('when none are asked for', async () => {
    const { snapshot, series, isRunning } = await openRig(null)
    await snapshot()
    expect([series.isFollowing(), isRunning()]).toEqual([false, false])
  })
})

describe('a confirmation', () => {
  test('comes once all changes before it are in the bucket, without waiting for the interval', async () => {
    const { write, snapshot, sent, series } = await openRig(60_000)
    await snapshot()
    write([1], 1)
    await Promise.all(Array.from({ length: 20 }, async () => await series.confirm()))
    write([2], 2)
    await series.confirm()
    await series.confirm()
    // Those that came together waited for the same object, and nothing new needs none.
    expect((await sent()).map(({ pages }) => pages)).toEqual([{}, { 1: 1 }, { 2: 2 }])
  })

  test('waits for a snapshot that changes can follow', async () => {
    const { write, snapshot, sent, series } = await openRig(60_000)
    const confirmed = series.confirm()
    await snapshot()
    write([1], 1)
    await confirmed
    expect(await sent()).toHaveLength(2)
  })

  test('fails while the bucket does not take changes, and they are sent later', async () => {
    const { fake, write, snapshot, sent, series } = await openRig()
    await snapshot()
    fake.before = answering(403, 'AccessDenied')
    write([1], 1)
    await expect(series.confirm()).rejects.toMatchObject({ code: 'busy' })
    fake.before = async () => undefined
    await vi.waitFor(async () => expect(await sent()).toHaveLength(2), patience)
    await series.confirm()
  })

  test('fails when another store took the bucket over, even while the changes were sent', async () => {
    const { fake, foreign, write, snapshot, series } = await openRig(60_000)
    await snapshot()
    fake.after = async () => {
      foreign.is = true
      return undefined
    }
    write([1], 1)
    await expect(series.confirm()).rejects.toMatchObject({ code: 'storage_failed' })
    expect(series.isFollowing()).toBe(false)
  })

  test('fails when pages may have been missed', async () => {
    const { capture, lose, write, snapshot, series } = await openRig(60_000)
    await snapshot()
    write([1], 1)
    capture.flush = async () => {
      lose()
      throw new Error('the capture of pages is lost')
    }
    await expect(series.confirm()).rejects.toMatchObject({ code: 'busy' })
  })
})

test('a snapshot fails when the series ends while it is sent', async () => {
  const { lose, series } = await openRig()
  const sending = series.follow(0, async ({ complete }) => {
    lose()
    await complete()
  })
  await expect(sending).rejects.toThrow('no pages are captured')
  expect(series.isFollowing()).toBe(false)
})

test('a snapshot fails when pages may have been missed while its changes wait to be sent', async () => {
  const { fake, lose, write, snapshot, sent } = await openRig(10)
  await snapshot()
  let arrive = (): void => {}
  fake.before = async () => await new Promise((go) => (arrive = () => go(undefined)))
  write([1], 1)
  await vi.waitFor(() => expect(fake.requests).toHaveLength(2), patience)
  const second = snapshot()
  await sleep(20)
  write([2], 2)
  lose()
  fake.before = async () => undefined
  arrive()
  await expect(second).rejects.toThrow('the series is over')
  expect((await sent()).map(({ pages }) => pages)).toEqual([{}, { 1: 1 }])
})

test('a snapshot fails when the capture cannot begin, and the next one begins a series', async () => {
  const { isBroken, snapshot, series } = await openRig()
  isBroken.is = true
  await expect(snapshot()).rejects.toThrow('it cannot be read')
  isBroken.is = false
  await snapshot()
  expect(series.isFollowing()).toBe(true)
})

test('the end of a series sends what waits', async () => {
  const { fake, write, snapshot, sent, series } = await openRig(60_000)
  await snapshot()
  write([1], 1)
  await series.close()
  expect((await sent())[1]).toEqual({ completes: 2, pageCount, pages: { 1: 1 } })
  const [last] = [...fake.objects.values()].slice(-1)
  expect(gunzipSync(last!.bytes).toString('latin1', 0, 14)).toBe('{"recordBytes"')
})
