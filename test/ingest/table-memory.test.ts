/** Concurrent large uploads: all complete, one after another where they need much memory, and none
 *  takes more than there is. */
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEntryTable } from '../../src/ingest/entry-table.ts'
import { createTableMemory } from '../../src/ingest/table-memory.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { openStore } from './open-store.ts'

const turn = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve))
}

// Jobs of any sizes in any interleaving, some of them aborted: at no time does more than one hold
// much.
test('only one job at a time holds much memory, and every job completes', async () => {
  const job = fc.record({ needs: fc.integer({ min: 1, max: 100 }), isGivenUp: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(job, { maxLength: 12 }), fc.scheduler(), async (jobs, scheduler) => {
      const memory = createTableMemory({ littleBytes: 10, muchBytes: 100, turnMs: 60_000 })
      let large = 0
      const run = async ({ needs, isGivenUp }: (typeof jobs)[number]): Promise<void> => {
        const share = memory.open()
        const controller = new AbortController()
        let held = 0
        try {
          while (held < needs) {
            await share.turn(controller.signal)
            if (held === 11) large += 1
            expect(large).toBeLessThanOrEqual(1)
            share.add(1)
            held += 1
            await scheduler.schedule(Promise.resolve())
            if (isGivenUp && held === 11) controller.abort(new Error('given up'))
          }
        } catch (error) {
          expect(error).toEqual(new Error('given up'))
        } finally {
          if (held > 11) large -= 1
          share.close()
          share.close()
        }
      }
      const all = Promise.all(jobs.map(run))
      await scheduler.waitFor(all)
      const after = memory.open()
      after.add(50)
      await after.turn()
    }),
  )
})

test('a job that needs more than one job may hold is rejected with the limit', () => {
  const share = createTableMemory({ littleBytes: 10, muchBytes: 5000, turnMs: 60_000 }).open()
  const table = createEntryTable({ entriesMax: 1000, share })
  const add = (): void => {
    for (let at = 0; at < 100; at++)
      table.addDirectory(`${at}-${'x'.repeat(100)}`, { mode: 0o700, modifiedAt: null })
  }
  expect(add).toThrow(
    expect.objectContaining({
      code: 'too_large',
      details: {
        limit: 'memory for the entries of one artifact',
        limitValue: 5000,
        setting: null,
      },
    }),
  )
  expect(table.sort().count).toBeGreaterThan(20)
})

test('a turn is still ended for whoever waits after another gave up waiting', async () => {
  const turnMs = 20
  const memory = createTableMemory({ littleBytes: 10, muchBytes: 100, turnMs })
  const shareOfLarge = () => {
    const share = memory.open()
    share.add(11)
    return share
  }
  const first = shareOfLarge()
  first.onOverdue(() => first.close())
  await first.turn()
  const controller = new AbortController()
  const givenUp = shareOfLarge().turn(controller.signal)
  controller.abort(new Error('given up'))
  await expect(givenUp).rejects.toThrow('given up')
  await sleep(5 * turnMs)
  await shareOfLarge().turn(AbortSignal.timeout(2000))
})

const small = { littleBytes: 3000, muchBytes: 100_000 }

async function tarWith(count: number): Promise<Buffer> {
  return await tarOf(
    Array.from({ length: count }, (_, at) => ({ name: `file-${at}`, content: `${at}` })),
  )
}

test.each(['tar', 'tar.gz'] as const)(
  'a %s whose sender stalls gives way to one that waits, but to nobody before',
  async (form) => {
    const store = await openStore()
    store.ports.tables = createTableMemory({ ...small, turnMs: 200 })
    const many = await tarWith(200)
    const body = new Readable({ read: () => {} })
    body.push((form === 'tar' ? many : gzipSync(many, { level: 0 })).subarray(0, 150 * 1024))
    let isFirstOver = false
    const first = store.put('first', form, body).finally(() => {
      isFirstOver = true
    })
    first.catch(() => {})
    await sleep(500)
    expect(isFirstOver).toBe(false)
    const second = await store.put('second', 'tar', Readable.from([many]))
    expect(second.artifact.fileCount).toBe(200)
    await expect(first).rejects.toMatchObject({ code: 'busy' })
  },
)

test('uploads that need much memory wait for each other, and small ones for nobody', async () => {
  const store = await openStore()
  store.ports.tables = createTableMemory({ ...small, turnMs: 60_000 })
  const many = await tarWith(200)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  async function* slowly(): AsyncGenerator<Buffer> {
    yield many.subarray(0, 150 * 1024)
    await held
    yield many.subarray(150 * 1024)
  }
  const first = store.put('first', 'tar', Readable.from(slowly(), { objectMode: false }))
  for (let turns = 0; turns < 50; turns++) await turn()
  let isSecondDone = false
  const second = store.put('second', 'tar', Readable.from([many])).then((published) => {
    isSecondDone = true
    return published
  })
  // Time enough for the second one to complete, if it did not wait.
  for (let number = 0; number < 5; number++) {
    const few = Readable.from([await tarWith(20 + number)])
    expect(await store.put(`small-${number}`, 'tar', few)).toMatchObject({ created: true })
  }
  expect(isSecondDone).toBe(false)
  release()
  expect((await Promise.all([first, second])).map(({ artifact }) => artifact.fileCount)).toEqual([
    200, 200,
  ])
})

test('a zip that turns out to be kept whole gives up its turn', async () => {
  const store = await openStore()
  store.ports.tables = createTableMemory({ ...small, turnMs: 60_000 })
  // What is empty is in the table at once, and not with a batch.
  const members = Array.from({ length: 200 }, (_, at) => ({ name: `${at}/`, method: 0 }))
  const file = { name: 'file', content: 'twice' }
  const twice = buildZip({ members: [...members, file, file] })
  expect((await store.put('zip', 'zip', twice)).artifact.kind).toBe('opaque')
  const next = await store.put('tar', 'tar', Readable.from([await tarWith(200)]))
  expect(next.artifact.fileCount).toBe(200)
})
