/** Stores with their packs in a bucket whose server loses its disk. */
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { runTrove } from '../cli/run-trove.ts'
import { makeDirectory, makeTree, pseudoRandom } from '../client/tree.ts'
import { cutting, type FakeS3, placeIn } from '../packs/fake-s3.ts'
import {
  clientOf,
  expectSame,
  imitated,
  makeSource,
  places,
  type Site,
  siteIn,
  upload,
  type Uploaded,
} from './bucket-site.ts'
import { startTrove } from './trove-process.ts'

async function loseDisk({ data }: Site): Promise<void> {
  await rm(data, { recursive: true })
}

function snapshotsIn({ objects }: FakeS3): string[] {
  return [...objects.keys()].filter((key) => key.endsWith('.db.gz')).toSorted()
}

interface Recovered {
  snapshot: { number: number; damagedSnapshots: number }
  packs: number
  missingPacks: number
  damagedArtifacts: number
}

async function recoverFrom(site: Site, status = 0): Promise<Recovered> {
  const recovered = await site.run(['recover', '--from-snapshot', '--json'])
  expect(recovered).toMatchObject({ status })
  return JSON.parse(recovered.text) as Recovered
}

describe.each(places)('a store in a bucket, %s', (_, open) => {
  test('is restored from its newest snapshot after the loss of the disk', async () => {
    const site = await open()
    const source = await makeSource()
    const first = await site.serve()
    const before = await clientOf(first)
    const kept = await upload(before, source)
    expect(await site.run(['snapshot'])).toMatchObject({
      status: 0,
      text: expect.stringMatching(/^snapshot 2: .* for a database of /) as string,
    })
    // Known only by packs.
    await makeTree(source, { later: pseudoRandom(100_000, 'later') })
    const lost = await upload(before, source, 2)
    const key = join(site.data, 'secret.key')
    const keyCopy = join(site.data, '..', 'secret.key')
    await copyFile(key, keyCopy)
    await first.kill()
    await loseDisk(site)
    await mkdir(site.data)
    await copyFile(keyCopy, key)

    expect(await recoverFrom(site)).toMatchObject({
      snapshot: { number: 2, damagedSnapshots: 0 },
      packs: 1,
      missingPacks: 0,
      damagedArtifacts: 0,
    })
    const second = await site.serve()
    // The key is the same, so a token from before is valid.
    const token = await second.token(['--project', 'octo/demo', '--scope', 'write'])
    const client = createClient({ url: second.url, token, cacheDir: null })
    await rm(join(source, 'later'))
    await expectSame(client, kept, source)
    await expect(client.remove(lost.id)).rejects.toMatchObject({ code: 'artifact_not_found' })
    const recovered = createClient({
      url: second.url,
      token: await second.token(['--project', 'recovered/packs', '--scope', 'read']),
      cacheDir: null,
    })
    const names: string[] = []
    for await (const { name } of recovered.list({ project: 'recovered/packs' })) names.push(name)
    expect(names).toEqual([expect.stringMatching(/^pack-/)])
    expect((await site.run(['scrub'])).status).toBe(0)
  })

  test('is restored whole when packs were rewritten since the snapshot', async () => {
    const site = await open()
    const source = await makeSource()
    const server = await site.serve()
    const client = await clientOf(server)
    const kept = await upload(client, source)
    const removed = await upload(client, await makeSource(), 2)
    await makeTree(source, { other: pseudoRandom(3_000_000, 'other') })
    const third = await upload(client, source, 3)
    expect((await site.run(['snapshot'])).status).toBe(0)
    await client.remove(removed.id)
    await client.remove(kept.id)
    expect((await site.run(['gc', '--now'])).status).toBe(0)
    await server.kill()
    await loseDisk(site)
    await recoverFrom(site)
    const again = await site.serve()
    await expectSame(await clientOf(again), third, source)
    expect((await site.run(['scrub'])).status).toBe(0)
  })
})

test('what was uploaded seconds before the loss of the disk is restored', async () => {
  const { fake, site } = await imitated()
  Object.assign(site.environment, {
    TROVE_SNAPSHOT_INTERVAL: '1h',
    TROVE_CHANGES_INTERVAL: '1s',
  })
  const source = await makeSource()
  const server = await site.serve()
  await vi.waitFor(() => expect(snapshotsIn(fake)).toHaveLength(1), { timeout: 60_000 })
  const client = await clientOf(server)
  const kept = await upload(client, source)
  const removed = await upload(client, source, 2)
  await client.remove(removed.id)
  const lag = async (): Promise<string> => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    return /^trove_metadata_lag_seconds (.*)$/m.exec(metrics)![1]!
  }
  // The log keeper notes a change within about a second.
  await sleep(3000)
  await vi.waitFor(async () => expect(await lag()).toBe('0'), { timeout: 60_000, interval: 1000 })
  await server.kill()
  await loseDisk(site)
  expect(await recoverFrom(site)).toMatchObject({
    snapshot: { number: 2, damagedSnapshots: 0, lostChanges: 0 },
    packs: 0,
    missingPacks: 0,
  })
  const again = await site.serve()
  const restored = await clientOf(again)
  await expectSame(restored, kept, source)
  const destination = await makeDirectory()
  await expect(restored.download({ artifact: removed, destination })).rejects.toMatchObject({
    code: 'artifact_deleted',
  })
  // What the stop itself sends.
  const last = await upload(restored, source, 3)
  await vi.waitFor(() => expect(snapshotsIn(fake)).toHaveLength(2), { timeout: 60_000 })
  const later = await upload(restored, source, 4)
  await again.stop()
  await loseDisk(site)
  await recoverFrom(site)
  const third = await clientOf(await site.serve())
  await expectSame(third, last, source)
  await expectSame(third, later, source)
})

test('nothing is acknowledged that the loss of the disk in the same moment would take', async () => {
  const { fake, site } = await imitated()
  Object.assign(site.environment, { TROVE_SNAPSHOT_INTERVAL: '1h', TROVE_CHANGES_INTERVAL: '0' })
  const server = await site.serve()
  const client = await clientOf(server)
  const source = await makeDirectory()
  const uploaded: { artifact: Uploaded; text: string }[] = []
  // The first upload waits for the first snapshot.
  for (const [index, text] of ['one', 'two', 'three', 'three'].entries()) {
    await makeTree(source, { text })
    uploaded.push({ artifact: await upload(client, source, index + 1), text })
  }
  const [removed, kept] = uploaded.splice(0, 2)
  await client.retain(kept!.artifact.id, { pinned: true })
  await client.remove(removed!.artifact.id)
  await server.kill()
  await loseDisk(site)
  expect(await recoverFrom(site)).toMatchObject({ packs: 0, snapshot: { lostChanges: 0 } })
  const again = await site.serve()
  const restored = await clientOf(again)
  for (const { artifact, text } of [...uploaded, kept!]) {
    await makeTree(source, { text })
    await expectSame(restored, artifact, source)
  }
  const pinned: number[] = []
  for await (const { id, pinned: isPinned } of restored.list({ project: 'octo/demo' }))
    if (isPinned) pinned.push(id)
  expect(pinned).toEqual([kept!.artifact.id])
  const destination = await makeDirectory()
  await expect(
    restored.download({ artifact: removed!.artifact, destination }),
  ).rejects.toMatchObject({ code: 'artifact_deleted' })

  // While the bucket takes no changes, nothing is acknowledged, and repeating it succeeds later.
  const token = await again.token(['--project', 'octo/demo', '--scope', 'write'])
  const put = async (): Promise<number> => {
    const path = '/api/v1/projects/octo/demo/runs/9/artifacts/text'
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(again.url + path, { method: 'PUT', body: 'four', headers })).status
  }
  fake.before = async (request, response) =>
    /^PUT .*changes\.gz$/.test(request) ? await cutting(request, response) : undefined
  expect(await put()).toBe(503)
  fake.before = async () => undefined
  expect(await put()).toBe(200)
})

test('no server starts on a restore that was interrupted', async () => {
  const { fake, site } = await imitated()
  const source = await makeSource()
  const server = await site.serve()
  await site.run(['snapshot'])
  const before = [...fake.objects.keys()]
  await upload(await clientOf(server), source)
  const packs = [...fake.objects.keys()].filter((key) => !before.includes(key))
  await server.kill()
  await loseDisk(site)
  fake.before = async (request, response) =>
    /^GET ci\/packs\/./.test(request) ? await cutting(request, response) : undefined
  expect((await site.run(['recover', '--from-snapshot'])).status).toBe(10)
  fake.before = async () => undefined
  await expect(site.serve()).rejects.toThrow(/repeat it with `trove recover --from-snapshot`/)
  expect(await recoverFrom(site)).toMatchObject({ snapshot: { number: 2 }, missingPacks: 0 })
  await (await site.serve()).stop()
  expect([...fake.objects.keys()]).toEqual(expect.arrayContaining(packs))
})

test('keeps two snapshots, which are databases', async () => {
  const { fake, site } = await imitated()
  const server = await site.serve()
  for (let taken = 0; taken < 4; taken++) expect((await site.run(['snapshot'])).status).toBe(0)
  const keys = snapshotsIn(fake)
  expect(keys).toEqual([
    expect.stringMatching(/^ci\/metadata\/0000000006-/),
    expect.stringMatching(/^ci\/metadata\/0000000008-/),
  ])
  const database = gunzipSync(fake.objects.get(keys[1]!)!.bytes)
  expect(database.toString('latin1', 0, 15)).toBe('SQLite format 3')
  const headers = { authorization: `Bearer ${await server.token(['--scope', 'admin'])}` }
  const page = await fetch(`${server.url}/admin/maintenance`, { headers })
  expect(await page.text()).toMatch(/Metadata snapshot.*Take a snapshot/s)
  const audit = await fetch(`${server.url}/api/v1/audit?kind=snapshot`, { headers })
  expect(((await audit.json()) as { items: object[] }).items).toHaveLength(4)
  await server.stop()
  expect((await site.run(['snapshot'])).text).toMatch(/^snapshot 10: /)
})

test('a store that leaves its bucket takes its snapshots along', async () => {
  const { fake, site } = await imitated()
  await (await site.serve()).stop()
  expect((await site.run(['snapshot'])).status).toBe(0)
  const { TROVE_S3_BUCKET: _bucket, TROVE_S3_ENDPOINT: _endpoint, ...local } = site.environment
  expect((await site.run(['move-packs'], local)).status).toBe(0)
  expect([...fake.objects.keys()]).toEqual([])
})

test('an older snapshot is restored when the newest is damaged', async () => {
  const { fake, site } = await imitated()
  const source = await makeSource()
  const server = await site.serve()
  const kept = await upload(await clientOf(server), source)
  for (let taken = 0; taken < 2; taken++) await site.run(['snapshot'])
  await server.kill()
  await loseDisk(site)
  const [older, newer] = snapshotsIn(fake)
  const newest = fake.objects.get(newer!)!
  newest.bytes = newest.bytes.subarray(0, newest.bytes.length - 1)
  expect(await recoverFrom(site)).toMatchObject({
    snapshot: { number: 2, damagedSnapshots: 1 },
  })
  expect(await readdir(site.data)).not.toContain('trove.db.new')
  const again = await site.serve()
  await expectSame(await clientOf(again), kept, source)
  await again.kill()
  await loseDisk(site)
  fake.objects.get(older!)!.bytes.fill(0, 1000, 1010)
  expect(await site.run(['recover', '--from-snapshot'])).toMatchObject({
    status: 8,
    stderr: expect.stringContaining('none of the 2 metadata snapshots is intact') as string,
  })
  // The bucket is still that of the lost store, whose disk may come back.
  expect(await readdir(site.data)).not.toContain('cas')
})

test('a server whose place was taken ends, starts no more, takes no snapshot and removes no pack', async () => {
  const { fake, site } = await imitated()
  const server = await site.serve()
  const client = await clientOf(server)
  const { id } = await upload(client, await makeSource())
  await site.run(['snapshot'])
  await client.remove(id)
  const other = await siteIn(placeIn(fake))
  await recoverFrom(other)
  const before = [...fake.objects.keys()]
  for (const command of [['snapshot'], ['gc', '--now']]) {
    expect(await site.run(command)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('another server has taken over s3://store/ci') as string,
    })
  }
  expect(await server.ended()).toBe(2)
  expect(server.log()).toMatch(/another server has taken the place of this one/)
  const { TROVE_S3_BUCKET: _bucket, TROVE_S3_ENDPOINT: _endpoint, ...local } = site.environment
  expect((await site.run(['move-packs'], local)).status).toBe(2)
  expect([...fake.objects.keys()]).toEqual(before)
  await expect(site.serve()).rejects.toThrow(/another server has taken over/)
  await (await other.serve()).stop()
})

test('what a restore needs is said', async () => {
  const { site } = await imitated()
  const { TROVE_S3_BUCKET: _bucket, TROVE_S3_ENDPOINT: _endpoint, ...local } = site.environment
  const said = async (args: string[], environment = site.environment): Promise<string> => {
    const { status, stderr } = await site.run(args, environment)
    expect(status).toBeGreaterThan(0)
    return stderr
  }
  expect(await said(['recover'])).toMatch(/choose --from-packs or --from-snapshot/)
  expect(await said(['recover', '--from-snapshot'], local)).toMatch(/needs TROVE_S3_BUCKET/)
  expect(await said(['recover', '--from-snapshot'])).toMatch(/the bucket has no metadata snapshot/)
  const server = await site.serve()
  expect(await said(['recover', '--from-snapshot'])).toMatch(/another trove process works on/)
  await server.stop()
  expect(await said(['recover', '--from-snapshot'])).toMatch(/trove\.db exists; move it away/)
  await site.run(['snapshot'])
  await loseDisk(site)
  const { stderr, text } = await site.run(['recover', '--from-snapshot'])
  expect(stderr).toMatch(/warning: there is no secret\.key/)
  expect(text).toMatch(/^restored the metadata of \d{4}-/)

  const onDisk = join(site.data, '..', 'on-disk')
  const plain = await startTrove(onDisk, local)
  onTestFinished(async () => {
    await plain.stop()
  })
  const admin = { TROVE_URL: plain.url, TROVE_TOKEN: await plain.token(['--scope', 'admin']) }
  const refused = await runTrove(['snapshot'], admin)
  expect(refused.stderr).toMatch(/`trove backup`/)
})
