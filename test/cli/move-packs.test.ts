/** `trove move-packs`: what it leaves in the places that packs were in. */
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { metadataKey } from '../../src/lifecycle/snapshot/snapshots.ts'
import { withStoreAt } from '../lifecycle/store-at.ts'
import { answering, type FakeS3, seal, startFakeS3 } from '../packs/fake-s3.ts'
import { testDirectory } from '../temporary-directory.ts'
import type { Outcome } from './run-trove.ts'
import { runTroveInside } from './run-inside.ts'

let fake: FakeS3
let dataDir: string
/** Keys of the packs, without the prefix. */
let packs: string[]

/** A store with two packs in its directory. */
beforeEach(async () => {
  fake = await startFakeS3()
  onTestFinished(() => fake.close())
  dataDir = testDirectory()
  packs = []
  await withStoreAt(dataDir, async ({ packs: store }) => {
    for (let pack = 0; pack < 2; pack++) {
      const name = await seal(store, randomBytes(100))
      packs.push(`packs/${name.slice(0, 2)}/${name}.zip`)
    }
  })
  packs.sort()
})

/** Moves to a folder of the bucket, or into the data directory. */
async function move(to?: string, endpoint = fake.endpoint): Promise<Outcome> {
  return await runTroveInside(['move-packs', '--data', dataDir], {
    ...(to !== undefined && { TROVE_S3_BUCKET: `store/${to}`, TROVE_S3_ENDPOINT: endpoint }),
    TROVE_LOG_LEVEL: 'error',
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  })
}

async function moved(to?: string): Promise<string> {
  const { status, stderr, text } = await move(to)
  expect([stderr, status]).toEqual([expect.stringMatching(/^(moved .*\n)*$/), 0])
  return text
}

/** Lets requests like this one fail until `work` is over. */
async function refusing<T>(refused: RegExp, work: () => Promise<T>): Promise<T> {
  const refuse = answering(403, 'AccessDenied')
  fake.before = async (request, response) =>
    refused.test(request) ? await refuse(request, response) : undefined
  try {
    return await work()
  } finally {
    fake.before = async () => undefined
  }
}

/** What is below a folder of the bucket. */
function keysIn(folder: string): string[] {
  return [...fake.objects.keys()]
    .filter((key) => key.startsWith(`${folder}/`))
    .map((key) => key.slice(folder.length + 1))
    .toSorted()
}

const claims = ['format', 'owner']

async function localPacks(): Promise<string[]> {
  const found = await readdir(join(dataDir, 'cas', 'packs'), { recursive: true })
  return found.filter((path) => path.endsWith('.zip')).map((path) => `packs/${path}`)
}

test('a bucket that all packs were moved out of is empty', async () => {
  await moved('a')
  fake.objects.set(`a/${metadataKey({ kind: 'snapshot', number: 2, series: '01234567' })}`, {
    bytes: Buffer.from('x'),
    modifiedAt: 0,
  })
  // As processes leave them that are killed while they write a pack, or a snapshot.
  for (const key of [packs[0]!, 'metadata/0000000003-01234567.db.gz'])
    fake.uploads.set(key, { key: `a/${key}`, begunAt: 0, parts: new Map() })
  await moved()
  expect([[...fake.objects.keys()], fake.uploads.size]).toEqual([[], 0])
  expect((await localPacks()).toSorted()).toEqual(packs)
})

test('a move to a third place first removes what one that was stopped has left in the first', async () => {
  await moved('a')
  const stopped = await refusing(/^DELETE a\/packs/, async () => await move('b'))
  expect(stopped).toMatchObject({ status: 1, stderr: expect.stringMatching(/AccessDenied/) })
  expect(
    [keysIn('a'), keysIn('b')].map((keys) => keys.filter((key) => key.startsWith('p'))),
  ).toEqual([packs, packs])
  await moved('c')
  expect([keysIn('a'), keysIn('b')]).toEqual([[], []])
  expect(keysIn('c')).toEqual(expect.arrayContaining([...claims, ...packs]))
})

test('a move that is given up for another one, or for none, leaves nothing where it went', async () => {
  for (const instead of ['b', undefined]) {
    const stopped = await refusing(new RegExp(`^PUT a/${packs[1]!}`), async () => await move('a'))
    expect(stopped.status).toBe(1)
    expect(keysIn('a')).toEqual([...claims, packs[0]])
    await moved(instead)
    expect(keysIn('a')).toEqual([])
    expect(await localPacks()).toHaveLength(instead === undefined ? 2 : 0)
    await moved()
  }
})

// A server does not start beside many packs that it does not know and that look new.
test('packs that were removed from the new place go from the old one, and do not come back', async () => {
  await moved('a')
  await refusing(/^DELETE a\/packs/, async () => await move('b'))
  fake.objects.delete(`b/${packs[0]!}`)
  expect(await moved('b')).toContain('removed 2 that an interrupted move had left')
  expect([keysIn('a'), keysIn('b')]).toEqual([[], [...claims, packs[1]]])
})

test('the metadata is in the new bucket before it is removed from the old one', async () => {
  await moved('a')
  const snapshot = metadataKey({ kind: 'snapshot', number: 2, series: '01234567' })
  fake.objects.set(`a/${snapshot}`, { bytes: Buffer.from('x'), modifiedAt: 0 })
  const failed = await refusing(/b\/metadata/, async () => await move('b'))
  expect(failed.status).toBe(1)
  expect(keysIn('a')).toEqual([...claims.slice(0, 1), snapshot, 'owner', ...packs])
  await moved('b')
  expect(keysIn('a')).toEqual([])
  expect(keysIn('b').filter((key) => key.endsWith('.db.gz'))).toHaveLength(1)
})

test('a bucket that another server takes over while it is emptied keeps its packs', async () => {
  await moved('a')
  const snapshot = metadataKey({ kind: 'snapshot', number: 2, series: '01234567' })
  fake.objects.set(`a/${snapshot}`, { bytes: Buffer.from('x'), modifiedAt: 0 })
  fake.before = async (request) => {
    if (request === `DELETE a/${snapshot}`)
      fake.objects.set('a/owner', { bytes: Buffer.from('another'), modifiedAt: 0 })
    return undefined
  }
  await moved('b')
  expect(keysIn('a')).toEqual([...claims, ...packs])
})

test('packs are not already in a bucket of the same name of another service', async () => {
  await moved('a')
  const second = await startFakeS3()
  onTestFinished(() => second.close())
  expect(await move('a', second.endpoint)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`s3://store/a of ${fake.endpoint}`) as string,
  })
  expect([second.objects.size, keysIn('a')]).toEqual([0, [...claims, ...packs]])
})

test('a store without its database is not moved, since a bucket may have the only copy', async () => {
  await moved('a')
  await rm(join(dataDir, 'trove.db'))
  const before = keysIn('a')
  expect(await move()).toMatchObject({ status: 2, stderr: expect.stringMatching(/trove\.db/) })
  expect(keysIn('a')).toEqual(before)
})

test('a bucket that is gone with what a move had left there says how to go on without it', async () => {
  await moved('a')
  await refusing(/^DELETE a\/packs/, async () => await move('b'))
  const gone = answering(404, 'NoSuchBucket')
  fake.before = async (request, response) =>
    request.includes(' a/') ? await gone(request, response) : undefined
  const { status, stderr } = await move('c')
  expect(status).toBe(2)
  const file = /delete (\S+bucket\.last)/.exec(stderr)?.[1]
  await rm(file!)
  await moved('c')
  expect(keysIn('c')).toEqual(expect.arrayContaining(packs))
})
