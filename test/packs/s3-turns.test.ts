/** Requests to an S3 service beyond those that may run at once. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { placeIn, startFakeS3 } from './fake-s3.ts'

test('a request whose turn comes after a minute fails as the service being busy', async () => {
  const fake = await startFakeS3()
  const bucket = await openS3Bucket(placeIn(fake))
  onTestFinished(async () => {
    bucket.close()
    await fake.close()
  })
  fake.objects.set('ci/a', { bytes: Buffer.from('content'), modifiedAt: 0 })
  let goOn = (): void => {}
  const gate = new Promise<void>((resolve) => {
    goOn = resolve
  })
  let arrived = 0
  let most = 0
  fake.before = async () => {
    arrived += 1
    most = Math.max(most, arrived)
    await gate
    arrived -= 1
    return undefined
  }
  const now = performance.now()
  const clock = vi.spyOn(performance, 'now').mockReturnValue(now)
  onTestFinished(() => clock.mockRestore())
  const first = Array.from({ length: 256 }, async () => await bucket.read('a', 0, 7))
  const late = bucket.read('a', 0, 7)
  late.catch(() => {})
  await vi.waitFor(() => expect(arrived).toBe(256), { timeout: 10_000 })
  clock.mockReturnValue(now + 59_000)
  const inTime = bucket.read('a', 0, 7)
  clock.mockReturnValue(now + 61_000)
  goOn()
  expect((await Promise.all(first)).map(String)).toEqual(first.map(() => 'content'))
  await expect(late).rejects.toMatchObject({
    code: 'busy',
    message: expect.stringContaining('waited 60 seconds behind 256 other requests') as string,
  })
  expect(String(await inTime)).toBe('content')
  expect(most).toBe(256)
})
