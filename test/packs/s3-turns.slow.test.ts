/** Many reads at once of an S3 service that answers a few at a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import { expect, onTestFinished, test } from 'vitest'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { placeIn, startFakeS3 } from './fake-s3.ts'

test('400 reads of a service that answers 20 per second succeed', async () => {
  const fake = await startFakeS3()
  const bucket = await openS3Bucket(placeIn(fake))
  onTestFinished(async () => {
    bucket.close()
    await fake.close()
  })
  fake.objects.set('ci/a', { bytes: Buffer.from('content'), modifiedAt: 0 })
  const four = pLimit(4)
  fake.before = async () => {
    await four(sleep, 200)
    return undefined
  }
  const reads = Array.from({ length: 400 }, async () => await bucket.read('a', 0, 7))
  const failed = (await Promise.allSettled(reads)).filter(({ status }) => status === 'rejected')
  expect(failed).toEqual([])
  expect(fake.requests).toHaveLength(400)
}, 90_000)
