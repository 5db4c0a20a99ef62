/** Where packs are, and whose a bucket is: claims, and moves that stop anywhere. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { BucketPlace } from '../../src/core/bucket-place.ts'
import { nodeFileSystem } from '../../src/packs/local/file-system.ts'
import type { PackPlace } from '../../src/packs/open-pack-store.ts'
import {
  currentPackPlace,
  findPackPlace,
  leftPackPlace,
  openPlaceCheck,
  prepareMove,
  releasePlace,
  requirePlace,
  switchPackPlace,
  takeOverBucket,
} from '../../src/packs/pack-place.ts'
import { withBucket } from '../../src/packs/with-bucket.ts'
import { testDirectory } from '../temporary-directory.ts'
import { answering, type FakeS3, placeIn, startFakeS3 } from './fake-s3.ts'

let fake: FakeS3
let dataDir: string
let directory: PackPlace
let bucket: BucketPlace
let inBucket: PackPlace
let other: BucketPlace

beforeEach(async () => {
  fake = await startFakeS3()
  onTestFinished(() => fake.close())
  dataDir = testDirectory()
  directory = { kind: 'directory', directory: join(dataDir, 'cas') }
  bucket = placeIn(fake)
  inBucket = { kind: 'bucket', bucket }
  other = { ...bucket, prefix: 'other/' }
})

async function storePack(): Promise<void> {
  await mkdir(join(dataDir, 'cas', 'packs', 'ab'), { recursive: true })
  await writeFile(join(dataDir, 'cas', 'packs', 'ab', `${'ab'.repeat(16)}.zip`), 'pack')
}

async function claims(): Promise<string[]> {
  return (await readdir(join(dataDir, 'cas')))
    .filter((name) => name.startsWith('bucket'))
    .toSorted()
}

const ownerOf = (prefix = 'ci/'): string | undefined =>
  fake.objects.get(`${prefix}owner`)?.bytes.toString()

async function move(to: PackPlace): Promise<void> {
  await prepareMove(dataDir, to)
  await switchPackPlace(dataDir, to)
}

async function takeOver(by = testDirectory(), place = bucket): Promise<void> {
  await withBucket(place, async (objects) => await takeOverBucket(by, { place, objects }))
}

test('a new store has its packs where the settings say, and claims a bucket for good', async () => {
  expect(await findPackPlace(dataDir, null)).toEqual(directory)
  await requirePlace(dataDir, directory)
  expect(ownerOf()).toBeUndefined()
  expect(await findPackPlace(dataDir, bucket)).toEqual(inBucket)
  const owner = ownerOf()
  expect(owner).toMatch(/^[0-9a-f]{32}$/)
  expect(await findPackPlace(dataDir, bucket)).toEqual(inBucket)
  expect(ownerOf()).toBe(owner)
  // As a crash between the claim on disk and that in the bucket leaves it.
  fake.objects.delete('ci/owner')
  await findPackPlace(dataDir, bucket)
  expect(ownerOf()).toBe(owner)
  // As a crash during the claim on disk leaves it.
  await rm(join(dataDir, 'cas', 'bucket'))
  await writeFile(join(dataDir, 'cas', 'bucket.new'), '{')
  fake.objects.delete('ci/owner')
  await findPackPlace(dataDir, bucket)
  await expect(requirePlace(dataDir, inBucket)).resolves.toBeUndefined()
})

// A store that looks in the wrong place would consider all its packs lost.
test.each([
  [
    'packs in the directory, and a bucket',
    'directory',
    'bucket',
    /are in .*\/cas, but .* is s3:\/\/store\/ci;/,
  ],
  ['packs in a bucket, and none', 'bucket', 'none', /are in s3:\/\/store\/ci, but .* is not set;/],
  [
    'packs in a bucket, and another',
    'bucket',
    'other',
    /are in s3:\/\/store\/ci, but .* is s3:\/\/store\/other;/,
  ],
] as const)('a store with %s in the settings does not start', async (_, has, set, message) => {
  if (has === 'bucket') await findPackPlace(dataDir, bucket)
  else await storePack()
  const asked = { bucket, none: null, other }[set]
  const before = [...fake.objects.keys()]
  await expect(findPackPlace(dataDir, asked)).rejects.toThrow(message)
  if (asked !== null) await expect(takeOver(dataDir, asked)).rejects.toThrow(message)
  expect([...fake.objects.keys()]).toEqual(before)
  const isIn = has === 'bucket' ? inBucket : directory
  expect(await currentPackPlace(dataDir, asked)).toMatchObject(isIn)
  expect(await findPackPlace(dataDir, has === 'bucket' ? bucket : null)).toEqual(isIn)
})

test('a directory without packs is no reason against a bucket', async () => {
  await mkdir(join(dataDir, 'cas', 'packs', 'ab'), { recursive: true })
  await mkdir(join(dataDir, 'cas', 'packs', 'lost+found', 'x'), { recursive: true })
  expect(await findPackPlace(dataDir, bucket)).toEqual(inBucket)
})

test('a bucket belongs to one store, until another takes it over', async () => {
  await findPackPlace(dataDir, bucket)
  const [claim, owner] = [await readFile(join(dataDir, 'cas', 'bucket')), ownerOf()]
  const second = testDirectory()
  await expect(findPackPlace(second, bucket)).rejects.toThrow(/another store/)
  await expect(prepareMove(second, inBucket)).rejects.toThrow(/another store/)
  await expect(requirePlace(second, inBucket)).rejects.toThrow(/another store/)
  expect([await readFile(join(dataDir, 'cas', 'bucket')), ownerOf()]).toEqual([claim, owner])
  const check = await openPlaceCheck(dataDir, inBucket)
  onTestFinished(() => check.close())
  fake.objects.delete('ci/owner')
  expect(await check.findSuccessor()).toBeUndefined()
  await findPackPlace(dataDir, bucket)
  expect(await check.findSuccessor()).toBeUndefined()
  fake.before = answering(403, 'AccessDenied')
  await expect(takeOver(second)).rejects.toThrow(/AccessDenied/)
  fake.before = async () => undefined
  await takeOver(second)
  expect(await check.findSuccessor()).toBeInstanceOf(Error)
  await requirePlace(second, inBucket)
  const replaced = /another server has taken over/
  await expect(findPackPlace(dataDir, bucket)).rejects.toThrow(replaced)
  await expect(requirePlace(dataDir, inBucket)).rejects.toThrow(replaced)
  fake.objects.delete('ci/owner')
  await expect(requirePlace(second, inBucket)).rejects.toThrow(/another store/)
})

test('a bucket of the same name of another service is another one, unless the packs are there', async () => {
  await findPackPlace(dataDir, bucket)
  const second = await startFakeS3()
  onTestFinished(() => second.close())
  const there = placeIn(second)
  await expect(findPackPlace(dataDir, there)).rejects.toThrow(
    `are in s3://store/ci of ${fake.endpoint}, but TROVE_S3_ENDPOINT is ${second.endpoint}`,
  )
  expect(second.objects.size).toBe(0)
  // The service has moved to another address. A move reaches it there, when the settings name the
  // destination.
  second.objects.set('ci/owner', fake.objects.get('ci/owner')!)
  await findPackPlace(dataDir, there)
  expect(await currentPackPlace(dataDir, null)).toMatchObject({ bucket: there })
  await requirePlace(dataDir, { kind: 'bucket', bucket: there })
})

/** Lets writes that depend on there being no object fail. */
function refuseNew(refuse: FakeS3['before']): void {
  fake.before = async (request, response) =>
    response.req.headers['if-none-match'] === '*' ? await refuse(request, response) : undefined
}

test('a bucket is claimed where the service lacks conditional writes', async () => {
  const lacking = answering(501, 'NotImplemented')
  refuseNew(lacking)
  await findPackPlace(dataDir, bucket)
  await requirePlace(dataDir, inBucket)
  refuseNew(async (request, response) => {
    fake.objects.set('other/owner', { bytes: Buffer.from('another'), modifiedAt: 0 })
    return await lacking(request, response)
  })
  await expect(findPackPlace(testDirectory(), other)).rejects.toThrow(/another store/)
  expect(ownerOf('other/')).toBe('another')
})

test('a bucket is claimed although the first answer to that is lost', async () => {
  let lost = 0
  fake.after = async (request, response) => {
    if (request !== 'PUT ci/owner' || lost++ > 0) return undefined
    response.destroy()
    return 'answered'
  }
  await findPackPlace(dataDir, bucket)
  await requirePlace(dataDir, inBucket)
  expect(lost).toBe(2)
})

test.each([
  [403, 'AccessDenied', /cannot access .*AccessDenied/],
  [409, 'ConditionalRequestConflict', /does not respond/],
])('a bucket that cannot be claimed (%i %s) is not said to be of another store', async (...of) => {
  const [status, code, message] = of
  refuseNew(answering(status, code))
  await expect(findPackPlace(dataDir, bucket)).rejects.toThrow(message)
  expect(ownerOf()).toBeUndefined()
})

test('of two stores that claim a bucket at once, one gets it', async () => {
  const stores = [dataDir, testDirectory()]
  const outcomes = await Promise.allSettled(stores.map((at) => findPackPlace(at, bucket)))
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const winner = stores[outcomes.findIndex(({ status }) => status === 'fulfilled')]!
  await requirePlace(winner, inBucket)
})

test('a claim that cannot be read is no empty place', async () => {
  await findPackPlace(dataDir, bucket)
  await writeFile(join(dataDir, 'cas', 'bucket'), '{"bucket":')
  await expect(findPackPlace(dataDir, null)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('packs move into a bucket, to another, and back, and each place that they leave is free', async () => {
  await storePack()
  await prepareMove(dataDir, inBucket)
  const owner = ownerOf()
  await prepareMove(dataDir, inBucket)
  expect(ownerOf()).toBe(owner)
  // The move may be given up, or go on.
  expect(await findPackPlace(dataDir, null)).toEqual(directory)
  expect(await leftPackPlace(dataDir, directory)).toMatchObject(inBucket)
  expect(await leftPackPlace(dataDir, directory, inBucket)).toBeUndefined()
  await switchPackPlace(dataDir, inBucket)
  expect(await findPackPlace(dataDir, bucket)).toEqual(inBucket)
  expect(await leftPackPlace(dataDir, inBucket)).toEqual(directory)
  await rm(join(dataDir, 'cas', 'packs'), { recursive: true })
  expect(await leftPackPlace(dataDir, inBucket)).toBeUndefined()
  await releasePlace(dataDir, directory)
  expect([await claims(), ownerOf()]).toEqual([['bucket'], owner])

  const inOther: PackPlace = { kind: 'bucket', bucket: other }
  await move(inOther)
  expect(await currentPackPlace(dataDir, null)).toMatchObject(inOther)
  expect(await leftPackPlace(dataDir, inOther)).toMatchObject(inBucket)
  await releasePlace(dataDir, inBucket)
  expect([ownerOf(), ownerOf('other/')]).toEqual([undefined, expect.any(String)])
  expect(await leftPackPlace(dataDir, inOther)).toBeUndefined()

  await move(directory)
  expect(await findPackPlace(dataDir, null)).toEqual(directory)
  expect(await leftPackPlace(dataDir, directory)).toMatchObject(inOther)
  await releasePlace(dataDir, inOther)
  expect(await leftPackPlace(dataDir, directory)).toBeUndefined()
  expect([await claims(), [...fake.objects.keys()]]).toEqual([[], []])
})

// Where packs are left, those that the current place has are removed.
test('a move that stops in its switch has left nothing in the place that is still current', async () => {
  await findPackPlace(dataDir, bucket)
  // It fails after it has noted the old place, because it was not prepared.
  await expect(switchPackPlace(dataDir, { kind: 'bucket', bucket: other })).rejects.toThrow(
    /ENOENT/,
  )
  expect(await findPackPlace(dataDir, bucket)).toEqual(inBucket)
  expect(await leftPackPlace(dataDir, inBucket)).toBeUndefined()
})

test('a move that is given up for another one does not decide where the packs are', async () => {
  await prepareMove(dataDir, inBucket)
  await move({ kind: 'bucket', bucket: other })
  expect(await findPackPlace(dataDir, other)).toEqual({ kind: 'bucket', bucket: other })
})

test('packs that a move has left in a bucket are not removed once another server has taken it over', async () => {
  await findPackPlace(dataDir, bucket)
  await move(directory)
  const owner = fake.objects.get('ci/owner')!
  for (const released of [false, true]) {
    if (released) fake.objects.delete('ci/owner')
    expect(await leftPackPlace(dataDir, directory)).toMatchObject(inBucket)
  }
  fake.objects.set('ci/owner', owner)
  await takeOver()
  expect(await leftPackPlace(dataDir, directory)).toBeUndefined()
})

test('a switch is durable when it resolves, and before it the note where packs are left', async () => {
  await findPackPlace(dataDir, bucket)
  await prepareMove(dataDir, { kind: 'bucket', bucket: other })
  const steps: string[] = []
  const { open, rename, unlink } = nodeFileSystem
  const noting = (step: string, path: string): void => {
    steps.push(`${step} ${basename(path)}`)
  }
  const spies = [
    vi.spyOn(nodeFileSystem, 'open').mockImplementation(async (path, mode) => {
      const file = await open(path, mode)
      return { ...file, sync: async () => await file.sync().then(() => noting('sync', path)) }
    }),
    vi.spyOn(nodeFileSystem, 'rename').mockImplementation(async (from, to) => {
      await rename(from, to)
      noting('rename', to)
    }),
    vi.spyOn(nodeFileSystem, 'unlink').mockImplementation(async (path) => {
      await sleep(20)
      await unlink(path)
      noting('unlink', path)
    }),
  ]
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore()
  })
  const noted = ['sync bucket.last.new', 'rename bucket.last', 'sync cas']
  await switchPackPlace(dataDir, { kind: 'bucket', bucket: other })
  expect(steps.splice(0).slice(1)).toEqual([...noted, 'rename bucket', 'sync cas'])
  await switchPackPlace(dataDir, directory)
  expect(steps.slice(1)).toEqual([...noted, 'unlink bucket', 'sync cas'])
})
