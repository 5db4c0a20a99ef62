/** Maintenance by hand, without a server, on a store whose packs are in a bucket. */
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { withLocalStore } from '../../src/cli/maintenance/local-store.ts'
import { readServerConfig } from '../../src/config/config.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { takeOverBucket } from '../../src/packs/pack-place.ts'
import { withBucket } from '../../src/packs/with-bucket.ts'
import { makeDirectory } from '../client/tree.ts'
import { keyOf, placeIn, seal, startFakeS3 } from '../packs/fake-s3.ts'

// Goal: a command takes hours, and a server that takes the store over meanwhile finds its packs in
// older metadata, which still refers to those that the command has replaced.
test('a command removes no pack once a server has taken the bucket over', async () => {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const [dataDir, other] = [await makeDirectory(), await makeDirectory()]
  await openSqliteMetadata({ path: join(dataDir, 'trove.db') }).close()
  const place = placeIn(fake)
  const config = { ...readServerConfig({ data: dataDir }), packBucket: place }
  const command = { command: 'gc', signal: new AbortController().signal }
  await withLocalStore(config, command, async ({ ports: { packs } }) => {
    const [first, second] = [
      await seal(packs, Buffer.from('a')),
      await seal(packs, Buffer.from('b')),
    ]
    await packs.remove(first)
    expect(fake.objects.has(keyOf(first))).toBe(false)
    await withBucket(place, async (objects) => await takeOverBucket(other, { place, objects }))
    await expect(packs.remove(second)).rejects.toThrow(/another server has taken over/)
    expect(fake.objects.has(keyOf(second))).toBe(true)
  })
})
