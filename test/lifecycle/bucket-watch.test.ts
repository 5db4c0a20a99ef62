/** Servers of which another one takes the bucket. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startBucketWatch } from '../../src/lifecycle/snapshot/bucket-watch.ts'
import { openPackStore } from '../../src/packs/open-pack-store.ts'
import {
  findPackPlace,
  openPlaceCheck,
  type PlaceCheck,
  takeOverBucket,
} from '../../src/packs/pack-place.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { withBucket } from '../../src/packs/with-bucket.ts'
import { makeDirectory } from '../client/tree.ts'
import {
  answering,
  cutting,
  type FakeS3,
  keyOf,
  placeIn,
  seal,
  startFakeS3,
} from '../packs/fake-s3.ts'

interface Rig {
  fake: FakeS3
  packs: PackStore
  check: PlaceCheck
  takeOver(): Promise<void>
}

/** The packs of a server in a bucket. */
async function openRig(): Promise<Rig> {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const [dataDir, other] = [await makeDirectory(), await makeDirectory()]
  const bucket = placeIn(fake)
  const place = await findPackPlace(dataDir, bucket)
  const check = await openPlaceCheck(dataDir, place)
  const packs = await openPackStore(place, check.requireOwn)
  onTestFinished(async () => {
    check.close()
    await packs.close()
  })
  const takeOver = async (): Promise<void> =>
    await withBucket(bucket, async (objects) => {
      await takeOverBucket(other, { place: bucket, objects })
    })
  return { fake, packs, check, takeOver }
}

test('a server notices that another one has its bucket, and acknowledges nothing from then on', async () => {
  const { fake, check, takeOver } = await openRig()
  const watch = startBucketWatch(check.findSuccessor, 5)
  onTestFinished(() => watch.stop())
  await sleep(20)
  // Neither of these is another server.
  fake.before = answering(403, 'AccessDenied')
  await sleep(20)
  fake.before = async () => undefined
  const owner = fake.objects.get('ci/owner')!
  fake.objects.delete('ci/owner')
  await sleep(20)
  fake.objects.set('ci/owner', owner)
  await sleep(20)
  expect(() => watch.requireKept()).not.toThrow()
  await takeOver()
  const { message } = await watch.replaced
  expect(message).toMatch(
    /^another server has taken over s3:\/\/store\/ci and goes on with this store/,
  )
  expect(() => watch.requireKept()).toThrow(message)
})

test('a server removes no pack and no unfinished upload once another one has its bucket', async () => {
  const { fake, packs, takeOver } = await openRig()
  const [first, second] = [await seal(packs, Buffer.from('a')), await seal(packs, Buffer.from('b'))]
  await packs.remove(first)
  expect(fake.objects.has(keyOf(first))).toBe(false)
  const key = keyOf('0'.repeat(32))
  fake.uploads.set('unfinished', { key, begunAt: 0, parts: new Map() })
  await takeOver()
  await expect(packs.remove(second)).rejects.toThrow(/another server has taken over/)
  await expect(packs.removeUnsealed(Infinity)).rejects.toThrow(/another server has taken over/)
  expect(fake.objects.has(keyOf(second))).toBe(true)
  expect(fake.uploads.size).toBe(1)
  // Whether the bucket is its own cannot be told.
  fake.before = cutting
  await expect(packs.remove(second)).rejects.toMatchObject({ code: 'busy' })
})

test('a pack whose end seemed to fail stays if another server may have found it', async () => {
  const { fake, packs, takeOver } = await openRig()
  const losing: FakeS3['after'] = async (request, response) =>
    request.startsWith('PUT ci/packs/') ? await cutting(request, response) : undefined
  fake.after = losing
  await expect(seal(packs, Buffer.from('a'))).rejects.toMatchObject({ code: 'busy' })
  const packsIn = (): string[] => [...fake.objects.keys()].filter((key) => key.endsWith('.zip'))
  expect(packsIn()).toEqual([])
  let taken: Promise<void> | undefined
  fake.after = async (request, response) => {
    if (request.startsWith('PUT ci/packs/')) await (taken ??= takeOver())
    return await losing(request, response)
  }
  await expect(seal(packs, Buffer.from('b'))).rejects.toMatchObject({ code: 'busy' })
  expect(packsIn()).toHaveLength(1)
})
