/** The contract of every pack store, for packs in a bucket: in the imitated service, and in the
 *  real one that `TROVE_TEST_S3` names (`ORIGIN/BUCKET`, with credentials where Amazon's client
 *  finds them). */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { BucketPlace } from '../../src/core/bucket-place.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { partBytes } from '../../src/packs/s3/s3-sink.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'
import {
  answering,
  cutting,
  type FakeS3,
  keyOf,
  openFake,
  placeIn,
  realPlace,
  seal,
  startFakeS3,
} from './fake-s3.ts'
import { packStoreContract, type PackStoreUnderTest } from './pack-store-contract.ts'

async function openIn(
  place: BucketPlace,
  dispose: () => Promise<void>,
): Promise<PackStoreUnderTest> {
  const open = async (): Promise<PackStore> => await openS3PackStore(await openS3Bucket(place))
  return { store: await open(), reopen: open, dispose, unsealedBytes: partBytes + 1 }
}

packStoreContract('S3, imitated', async () => {
  const fake = await startFakeS3()
  return await openIn(placeIn(fake), async () => await fake.close())
})

const real = realPlace()
if (real !== undefined) {
  packStoreContract('S3', async () => {
    const prefix = `${randomBytes(8).toString('hex')}/`
    return await openIn({ ...real, prefix }, async () => {})
  })
}

/** Acts on the request with this number, counted from 0 from now on; lets all others pass. */
function nth(fake: FakeS3, at: number, act: FakeS3['before']): FakeS3['before'] {
  const number = fake.requests.length + at
  return async (request, response) =>
    fake.requests.length - 1 === number ? await act(request, response) : undefined
}

const long = Buffer.alloc(2 * partBytes + 1, 'x')

test.each([
  ['reports overload', answering(503, 'SlowDown')],
  ['fails', answering(500, 'InternalError')],
  ['cuts the connection', cutting],
])('a store retries any single request at which a service %s', async (_, act) => {
  for (let at = 0; at < 5; at++) {
    const { fake, store } = await openFake()
    fake.before = nth(fake, at, act)
    const name = await seal(store, long)
    expect(fake.objects.get(keyOf(name))?.bytes.equals(long)).toBe(true)
    fake.before = nth(fake, 0, act)
    expect(await store.read(name, 5, 3)).toEqual(Buffer.from('xxx'))
    fake.before = nth(fake, 0, act)
    await store.remove(name)
    expect([...fake.objects.keys()]).toEqual(['ci/format'])
  }
})
