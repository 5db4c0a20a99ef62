/** Packs in a bucket whose calls can be held and fail. The slow tests use a service. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { notFound, storeError } from '../../src/core/errors.ts'
import { packFormat } from '../../src/packs/pack-layout.ts'
import type { Bucket } from '../../src/packs/s3/bucket.ts'
import { createS3Sink, partBytes } from '../../src/packs/s3/s3-sink.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'
import type { PackSink, PackStore } from '../../src/packs/pack-store.ts'

test('a bucket whose packs cannot be opened is closed', async () => {
  let closed = 0
  const bucket: Pick<Bucket, 'readAll' | 'close'> = {
    readAll: async () => await Promise.resolve(Buffer.from('trove-cas 2\n')),
    close: () => {
      closed += 1
    },
  }
  const opening = openS3PackStore(bucket as Bucket)
  await expect(opening).rejects.toMatchObject({ code: 'invalid_request' })
  expect(closed).toBe(1)
})

const outage = storeError('busy', 'the service does not respond', { what: 'pack storage' })

/** The packs of a bucket that does what `calls` say. */
async function openStore(calls: Partial<Bucket>): Promise<PackStore> {
  const bucket: Partial<Bucket> = { readAll: async () => Buffer.from(packFormat), ...calls }
  return await openS3PackStore(bucket as Bucket)
}

test('objects that are not packs are not listed', async () => {
  const pack = 'ab'.repeat(16)
  const keys = [`ab/${pack}.zip`, `${pack}.zip`, `cd/${pack}.zip`, `ab/${pack}.zip.tmp`, 'ab/notes']
  const store = await openStore({
    list: async function* (folder) {
      for (const key of keys) yield { key: folder + key, sizeBytes: 1, modifiedAt: 0 }
    },
  })
  const names: string[] = []
  for await (const { name } of store.list()) names.push(name)
  expect(names).toEqual([pack])
})

test('a removal that fails is not reported as done', async () => {
  const store = await openStore({ remove: async () => await Promise.reject(outage) })
  await expect(store.remove('ab'.repeat(16))).rejects.toBe(outage)
})

// A service may remove it later than it seems, by when it has been moved again.
test.each([
  ['a new pack is removed', undefined, 1],
  ['a pack that moves here stays', 'ab'.repeat(16), 0],
])('after a seal that seemed to fail %s', async (_, name, removals) => {
  const removed: string[] = []
  const store = await openStore({
    write: async () => await Promise.reject(outage),
    remove: async (key) => {
      removed.push(key)
    },
  })
  const sink = await store.create(name)
  await sink.write(Buffer.from('a'))
  await expect(sink.seal()).rejects.toBe(outage)
  await sink.abort()
  expect(removed).toHaveLength(removals)
})

test('of unfinished uploads those that ended meanwhile do not count, and an outage is one', async () => {
  let failure: Error = notFound('upload', 'no such upload')
  const store = await openStore({
    listUploads: async function* () {
      for (const id of ['1', '2', '3']) yield { key: 'packs/', id, begunAt: 0 }
    },
    abortUpload: async ({ id }) => {
      if (id === '2') throw failure
    },
  })
  expect(await store.removeUnsealed(1)).toBe(2)
  failure = outage
  await expect(store.removeUnsealed(1)).rejects.toBe(outage)
})

test('a bucket is closed once all reads have ended', async () => {
  let finish = (): void => {}
  const reading = new Promise<Buffer>((resolve) => {
    finish = () => resolve(Buffer.from('x'))
  })
  let closed = 0
  const store = await openStore({
    read: async () => await reading,
    close: () => {
      closed += 1
    },
  })
  const read = store.read('ab'.repeat(16), 0, 1)
  const closing = store.close()
  await turns()
  expect(closed).toBe(0)
  finish()
  await closing
  expect([closed, String(await read)]).toEqual([1, 'x'])
})

// A service may cut off reads of an object that is removed.
test('a pack is removed once reads of it have ended, and none is read after the close', async () => {
  let finish = (): void => {}
  const reading = new Promise<Buffer>((resolve) => {
    finish = () => resolve(Buffer.from('x'))
  })
  const removed: string[] = []
  const store = await openStore({
    read: async () => await reading,
    remove: async (key) => {
      removed.push(key)
    },
    close: () => {},
  })
  const [name, other] = ['ab'.repeat(16), 'cd'.repeat(16)]
  const read = store.read(name, 0, 1)
  const removing = store.remove(name)
  await store.remove(other)
  await turns()
  expect(removed).toEqual([`packs/cd/${other}.zip`])
  finish()
  await Promise.all([read, removing])
  expect(removed).toHaveLength(2)
  await store.close()
  await expect(store.read(name, 0, 1)).rejects.toMatchObject({ code: 'shutting_down' })
})

test('a pack counts as young as it can be, since a service truncates its time to seconds', async () => {
  const name = 'ab'.repeat(16)
  const aborted: string[] = []
  const store = await openStore({
    list: async function* () {
      yield { key: `packs/ab/${name}.zip`, sizeBytes: 1, modifiedAt: 5000 }
    },
    listUploads: async function* () {
      for (const begunAt of [999, 1000]) yield { key: 'packs/', id: `${begunAt}`, begunAt }
    },
    abortUpload: async ({ id }) => {
      aborted.push(id)
    },
  })
  for await (const { modifiedAt } of store.list()) expect(modifiedAt).toBe(5999)
  expect(await store.removeUnsealed(1000)).toBe(1)
  expect(aborted).toEqual(['999'])
})

/** A pack in a bucket that does what `calls` say, and records what ended it. */
function openSink(calls: Partial<Bucket>): {
  sink: PackSink
  ends: string[]
} {
  const ends: string[] = []
  const bucket: Partial<Bucket> = {
    beginUpload: async () => 'id',
    writePart: async (_, { number }) => ({ number, etag: `${number}` }),
    completeUpload: async (_, parts) => {
      ends.push(`completed with ${parts.map(({ number }) => number).join(', ')}`)
    },
    abortUpload: async () => {
      ends.push('aborted')
    },
    remove: async () => {
      ends.push('removed')
    },
    ...calls,
  }
  const name = '0'.repeat(32)
  return {
    sink: createS3Sink({
      name,
      key: `packs/00/${name}.zip`,
      bucket: bucket as Bucket,
      removesDoubtful: true,
    }),
    ends,
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

const threeParts = Buffer.alloc(2 * partBytes + 1)

// A service completes an upload that lacks parts.
test.each([1, 2, 3])('a pack whose part %i of 3 is lost is not completed', async (lost) => {
  const { sink, ends } = openSink({
    writePart: async (_, { number }) => {
      if (number === lost) throw outage
      return { number, etag: `${number}` }
    },
  })
  const sealing = async (): Promise<unknown> => {
    await sink.write(threeParts)
    return await sink.seal()
  }
  await expect(sealing()).rejects.toBe(outage)
  await sink.abort()
  expect(ends).toContain('aborted')
  expect(ends.filter((end) => end.startsWith('completed'))).toEqual([])
})

test('a pack of which a write failed cannot be sealed, although the service responds again', async () => {
  let failures = 1
  const { sink, ends } = openSink({
    beginUpload: async () => {
      if (failures-- > 0) throw outage
      return 'id'
    },
  })
  await expect(sink.write(threeParts)).rejects.toBe(outage)
  await expect(sink.seal()).rejects.toBe(outage)
  await sink.abort()
  expect(ends).toEqual(['removed'])
})

test('two parts of a pack are sent at once, so that few are in memory, and complete it in order', async () => {
  const held: (() => void)[] = []
  const { sink, ends } = openSink({
    writePart: async (_, { number }) => {
      await new Promise<void>((resolve) => held.push(resolve))
      return { number, etag: `${number}` }
    },
  })
  const sealing = sink.write(Buffer.alloc(4 * partBytes)).then(() => sink.seal())
  for (const inFlight of [2, 2, 2, 1]) {
    await turns()
    expect(held).toHaveLength(inFlight)
    // The later one ends first.
    held.pop()!()
  }
  expect(await sealing).toMatchObject({ sizeBytes: 4 * partBytes })
  expect(ends).toEqual(['completed with 1, 2, 3, 4'])
})

test.each([
  ['all of it', partBytes + 1, 'sealed'],
  ['less of it', partBytes, 'busy'],
])('an upload that is gone at its end has made the pack if %s is there', async (_, found, end) => {
  const { sink } = openSink({
    completeUpload: async () => await Promise.reject(notFound('upload', 'no such upload')),
    sizeOf: async () => found,
  })
  await sink.write(Buffer.alloc(partBytes + 1))
  const outcome = await sink.seal().then(
    () => 'sealed',
    (error: unknown) => (error as { code: string }).code,
  )
  expect(outcome).toBe(end)
})

// A service keeps parts that arrive after the end of their upload.
test('an abort waits for what is being sent', async () => {
  let finish = (): void => {}
  const part = new Promise<{ number: number; etag: string }>((resolve) => {
    finish = () => resolve({ number: 1, etag: '1' })
  })
  const { sink, ends } = openSink({ writePart: async () => await part })
  await sink.write(Buffer.alloc(partBytes + 1))
  const aborting = sink.abort()
  await turns()
  expect(ends).toEqual([])
  finish()
  await aborting
  expect(ends).toEqual(['aborted'])
})

test.each([
  ['short', 1, []],
  ['long', partBytes + 1, ['completed with 1, 2']],
])(
  'an abort during a seal, or after it, removes nothing of a %s pack',
  async (_, size, expected) => {
    let finish = (): void => {}
    const held = new Promise<void>((resolve) => {
      finish = resolve
    })
    const { sink, ends } = openSink({
      write: async () => await held,
      writePart: async (_upload, { number }) => {
        await held
        return { number, etag: `${number}` }
      },
    })
    await sink.write(Buffer.alloc(size))
    const sealing = sink.seal()
    const aborting = sink.abort()
    await turns()
    finish()
    await aborting
    await sink.abort()
    expect(await sealing).toMatchObject({ sizeBytes: size })
    expect(ends).toEqual(expected)
  },
)
