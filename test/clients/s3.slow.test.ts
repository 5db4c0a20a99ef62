/** A complete server with its packs in a bucket: of a fake service, which can fail, and of the real
 *  one that `TROVE_TEST_S3` names. */
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeTree, pseudoRandom } from '../client/tree.ts'
import { cutting, placeIn } from '../packs/fake-s3.ts'
import {
  clientOf,
  expectSame,
  imitated,
  makeSource,
  places,
  quiet,
  siteIn,
  upload,
} from './bucket-site.ts'
import { startTrove } from './trove-process.ts'

async function packsOf(data: string): Promise<string[]> {
  const found = await readdir(join(data, 'cas', 'packs'), { recursive: true }).catch(() => [])
  return found.filter((path) => path.endsWith('.zip'))
}

describe.each(places)('a store in a bucket, %s', (_, open) => {
  test('downloads equal uploads, also after a restart, and deleted space is freed', async () => {
    const site = await open()
    const source = await makeSource()
    const first = await site.serve()
    const uploaded = await upload(await clientOf(first), source)
    await expectSame(await clientOf(first), uploaded, source)
    expect(await packsOf(site.data)).toEqual([])
    await first.kill()
    const second = await site.serve()
    const client = await clientOf(second)
    await expectSame(client, uploaded, source)
    expect((await site.run(['scrub'])).status).toBe(0)
    await client.remove(uploaded.id)
    await second.stop()
    const collected = await site.run(['gc', '--now', '--json'])
    expect(JSON.parse(collected.text)).toMatchObject({ freedBytes: expect.any(Number) as number })
    const stats = await site.run(['scrub', '--json'])
    expect(JSON.parse(stats.text)).toMatchObject({ copies: 0 })
  })

  test('its backup is a data directory that needs no bucket', async () => {
    const site = await open()
    const source = await makeSource()
    const server = await site.serve()
    const uploaded = await upload(await clientOf(server), source)
    await server.stop()
    const backup = join(site.data, '..', 'backup')
    expect(await site.run(['backup', backup])).toMatchObject({ status: 0 })
    const restored = await startTrove(backup, quiet)
    onTestFinished(async () => {
      await restored.stop()
    })
    await expectSame(await clientOf(restored), uploaded, source)
  })

  test('packs move into the bucket and back', async () => {
    const site = await open()
    const source = await makeSource()
    const before = await startTrove(site.data, quiet)
    const uploaded = await upload(await clientOf(before), source)
    await before.stop()
    const local = await packsOf(site.data)
    expect(local.length).toBeGreaterThan(0)
    const kept = join(site.data, '..', 'kept')
    await cp(join(site.data, 'cas', 'packs'), kept, { recursive: true })

    expect(await site.run(['gc'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('`trove move-packs`') as string,
    })
    expect(await site.run(['move-packs'])).toMatchObject({
      status: 0,
      text: expect.stringContaining(`moved ${local.length} packs`) as string,
    })
    expect(await packsOf(site.data)).toEqual([])
    const server = await site.serve()
    await expectSame(await clientOf(server), uploaded, source)
    await server.stop()
    expect((await site.run(['move-packs'])).text).toMatch(/already in /)
    // A move that was killed before it had removed the local packs.
    await cp(kept, join(site.data, 'cas', 'packs'), { recursive: true })
    expect((await site.run(['move-packs'])).text).toContain(
      `removed ${local.length} that an interrupted move had left`,
    )
    expect(await packsOf(site.data)).toEqual([])

    expect(await site.run(['gc'], quiet)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('TROVE_S3_BUCKET is not set') as string,
    })
    const { TROVE_S3_BUCKET: _bucket, TROVE_S3_ENDPOINT: _endpoint, ...back } = site.environment
    expect(await site.run(['move-packs'], back)).toMatchObject({ status: 0, stderr: '' })
    expect((await packsOf(site.data)).toSorted()).toEqual(local.toSorted())
    const after = await startTrove(site.data, quiet)
    onTestFinished(async () => {
      await after.stop()
    })
    await expectSame(await clientOf(after), uploaded, source)
  })
})

test('a bucket that another server takes over while packs are moved out of it loses nothing', async () => {
  const { fake, site } = await imitated()
  const server = await site.serve()
  await upload(await clientOf(server), await makeSource())
  await server.stop()
  expect(await site.run(['snapshot'])).toMatchObject({ status: 0 })
  const { TROVE_S3_BUCKET: _bucket, TROVE_S3_ENDPOINT: _endpoint, ...back } = site.environment
  const owner = fake.objects.get('ci/owner')!
  const ofBucket = (): string[] => [...fake.objects.keys()].toSorted()
  const before = ofBucket()
  fake.before = async (request) => {
    if (request.includes('packs/'))
      fake.objects.set('ci/owner', { ...owner, bytes: Buffer.from('0') })
    return undefined
  }
  expect(await site.run(['move-packs'], back)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('another server has taken over s3://store/ci') as string,
  })
  expect(ofBucket()).toEqual(before)
  fake.objects.set('ci/owner', owner)
  fake.before = async () => undefined
  expect(await site.run(['move-packs'], back)).toMatchObject({ status: 0 })
  expect(ofBucket()).toEqual([])
})

test('a bucket belongs to one store, and a store to one bucket', async () => {
  const { fake, site } = await imitated()
  await (await site.serve()).stop()
  const other = await siteIn(placeIn(fake))
  await expect(other.serve()).rejects.toThrow(/holds the packs of another store/)
  await rm(other.data, { recursive: true })
  const elsewhere = { ...site.environment, TROVE_S3_BUCKET: 'store/other' }
  await expect(startTrove(site.data, elsewhere)).rejects.toThrow(
    /the packs are in s3:\/\/store\/ci, but TROVE_S3_BUCKET is s3:\/\/store\/other/,
  )
})

test('a temporary outage of the service fails requests but loses no data', async () => {
  const { fake, site } = await imitated()
  const source = await makeSource()
  const server = await site.serve()
  const client = await clientOf(server)
  const uploaded = await upload(client, source)
  fake.before = cutting
  const token = await server.token(['--project', 'octo/demo', '--scope', 'read'])
  const headers = { authorization: `Bearer ${token}` }
  const file = `${server.url}/api/v1/artifacts/${uploaded.id}/files/large/file`
  expect((await fetch(file, { headers })).status).toBe(503)
  await makeTree(source, { 'large/second': pseudoRandom(1_000_000, 'second') })
  await expect(upload(client, source, 2)).rejects.toThrow(/does not respond/)
  fake.before = async () => undefined
  await expectSame(client, await upload(client, source, 2), source)
  expect(JSON.parse((await site.run(['scrub', '--json'])).text)).toMatchObject({ damagedCopies: 0 })
})

test('a server killed while it uploads a pack leaves no parts behind', async () => {
  const { fake, site } = await imitated()
  const source = await makeSource()
  const server = await site.serve()
  let parts = 0
  const killed = new Promise<void>((resolve) => {
    fake.before = async (request) => {
      if (!request.includes('partNumber') || ++parts < 2) return undefined
      fake.before = async () => undefined
      await server.kill()
      resolve()
      return undefined
    }
  })
  const failing = upload(await clientOf(server), source).catch((error: unknown) => error)
  await killed
  expect(fake.uploads.size).toBeGreaterThan(0)
  const again = await site.serve()
  expect(fake.uploads.size).toBe(0)
  expect(await failing).toBeInstanceOf(Error)
  const client = await clientOf(again)
  await expectSame(client, await upload(client, source), source)
})
