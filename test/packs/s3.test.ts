/** Opening the packs in a bucket. The slow tests use it through a service. */
import { expect, test } from 'vitest'
import type { Bucket } from '../../src/packs/s3/bucket.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'

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
