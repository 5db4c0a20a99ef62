/** Real ENOSPC on a small tmpfs. Whichever stage hits it, the response is a clear 507, nothing that
 *  was acknowledged is lost, reads and deletes still work, and uploads work again once there is
 *  room. Needs the right to mount. */
import SqliteDatabase from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm, statfs, unlink, writeFile } from 'node:fs/promises'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { callerOf, putBlock, putBlockList, putBlocks } from '../actions/rig.ts'
import { startTrove, type TroveProcess } from '../clients/trove-process.ts'
import { runTrove } from '../cli/run-trove.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { startFakeS3 } from '../packs/fake-s3.ts'
import { fileDirectory, testDirectory } from '../temporary-directory.ts'

const MiB = 1024 * 1024
const directory = fileDirectory()
const isMounted = tryMount(directory, 'size=64m')

function tryMount(at: string, options: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at])
    return true
  } catch (error) {
    process.stdout.write(`cannot mount a tmpfs: ${String(error)}\n`)
    return false
  }
}

afterAll(() => {
  if (isMounted) execFileSync('umount', [directory])
})
beforeEach(({ skip }) => {
  skip(!isMounted, 'needs the right to mount')
})

interface Client {
  put(
    name: string,
    body: Uint8Array,
    type?: string,
  ): Promise<{ status: number; body: Record<string, unknown> }>
  send(method: string, path: string, json?: unknown): Promise<Response>
}

async function clientOf(trove: TroveProcess): Promise<Client> {
  const token = await trove.token(['--scope', 'admin', '--project', 'octo/demo'])
  const headers = { authorization: `Bearer ${token}` }
  return {
    put: async (name, body, type = 'application/octet-stream') => {
      const url = `${trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`
      const response = await fetch(url, {
        method: 'PUT',
        headers: { ...headers, 'content-type': type },
        body: body as Uint8Array<ArrayBuffer>,
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    send: async (method, path, json) =>
      await fetch(`${trove.url}/api/v1${path}`, {
        method,
        headers: { ...headers, ...(json !== undefined && { 'content-type': 'application/json' }) },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      }),
  }
}

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** Fills the disk except for `left` bytes. */
async function fillDisk(left: number): Promise<string> {
  const path = join(directory, 'ballast')
  await rm(path, { force: true })
  onTestFinished(async () => {
    await rm(path, { force: true })
  })
  await writeFile(path, Buffer.alloc(Math.max(0, (await freeBytes()) - left)))
  return path
}

/** Without a minimum the disk really fills up, and there is no reserve. */
async function start(
  name: string,
  minimumFree = '0',
): Promise<{ trove: TroveProcess; dataDir: string }> {
  const dataDir = join(directory, name)
  const environment = { TROVE_MIN_FREE: minimumFree, TROVE_GC_INTERVAL: 'off' }
  const trove = await startTrove(dataDir, environment)
  onTestFinished(async () => {
    await trove.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { trove, dataDir }
}

/** What the command needs to use that server. */
async function accessTo(trove: TroveProcess, tree: string): Promise<Record<string, string>> {
  return {
    TROVE_URL: trove.url,
    TROVE_TOKEN: await trove.token(['--scope', 'admin', '--project', 'octo/demo']),
    TROVE_PROJECT: 'octo/demo',
    TROVE_CACHE_DIR: join(tree, '..', 'trove-full-cache'),
  }
}

test.each([0, 64, 200, 600, 1500, 3000, 5000])(
  'with %i KiB left, uploads that do not fit are rejected and nothing is lost',
  async (leftKiB) => {
    const { trove } = await start(`data-${leftKiB}`)
    const client = await clientOf(trove)
    const kept = randomBytes(MiB)
    const { body: first } = await client.put('kept', kept)
    const { body: second } = await client.put('second', randomBytes(2 * MiB))

    const ballast = await fillDisk(leftKiB * 1024)
    const acknowledged = new Map<number, string>([[Number(first['id']), digestOf(kept)]])
    let refusals = 0
    for (let turn = 0; turn < 12; turn++) {
      const content = randomBytes(turn % 3 === 0 ? 4 * MiB : 60_000)
      const { status, body } = await client.put(`more-${turn}`, content)
      if (status === 201) {
        acknowledged.set(Number(body['id']), digestOf(content))
      } else {
        expect([status, body['code']]).toEqual([507, 'storage_full'])
        refusals += 1
      }
    }
    expect(refusals).toBeGreaterThan(0)
    const expectWhole = async (): Promise<void> => {
      for (const [id, digest] of acknowledged) {
        const response = await client.send('GET', `/artifacts/${id}/archive.tar.gz`)
        expect(response.status).toBe(200)
        await response.arrayBuffer()
        const detail = (await (await client.send('GET', `/artifacts/${id}`)).json()) as {
          name: string
        }
        const file = await client.send('GET', `/artifacts/${id}/files/${detail.name}`)
        expect(digestOf(Buffer.from(await file.arrayBuffer()))).toBe(digest)
      }
    }
    await expectWhole()

    await unlink(ballast)
    const removed = await client.send('DELETE', `/artifacts/${Number(second['id'])}`)
    expect(removed.status).toBe(200)
    expect((await client.put('after', randomBytes(4 * MiB))).status).toBe(201)
    await expectWhole()
  },
)

test('deleting and collecting free space on a full disk, with the help of the reserve', async () => {
  const { trove } = await start('data-reserve', '8MiB')
  const client = await clientOf(trove)
  const { body: large } = await client.put('large', randomBytes(12 * MiB))
  const kept = randomBytes(100_000)
  const { body: small } = await client.put('small', kept)
  const ballast = await fillDisk(0)
  // The guard reads the free space at most once a second.
  let refused = await client.put('more', randomBytes(1000))
  for (let turn = 0; refused.status === 201 && turn < 30; turn++) {
    refused = await client.put(`more-${turn}`, randomBytes(1000))
  }
  expect([refused.status, refused.body['code']]).toEqual([507, 'storage_full'])

  expect((await client.send('DELETE', `/artifacts/${Number(large['id'])}`)).status).toBe(200)
  const started = (await (await client.send('POST', '/admin/gc', { now: true })).json()) as {
    id: string
  }
  for (;;) {
    const job = (await (await client.send('GET', `/admin/jobs/${started.id}`)).json()) as {
      state: string
      error: string | null
      progress: { freedBytes: number }
    }
    expect([job.state, job.error]).not.toContain('failed')
    if (job.state !== 'done') continue
    expect(job.progress.freedBytes).toBeGreaterThan(12 * MiB)
    break
  }
  expect(await freeBytes()).toBeGreaterThan(8 * MiB)
  const file = await client.send('GET', `/artifacts/${Number(small['id'])}/files/small`)
  expect(digestOf(Buffer.from(await file.arrayBuffer()))).toBe(digestOf(kept))
  await unlink(ballast)
  expect((await client.put('again', randomBytes(MiB))).status).toBe(201)
})

test.each([0, 40, 150, 400, 1000, 2500])(
  'the stock protocol with %i KiB left: each step succeeds or gets 507, and can be repeated later',
  async (leftKiB) => {
    const { trove } = await start(`data-stock-${leftKiB}`)
    const job = callerOf(trove.url, await trove.token(), '@actions/artifact-2.3.2')
    const zipOf = (bytes: number): Buffer =>
      buildZip({ members: [{ name: 'x', content: randomBytes(bytes) }] })
    const kept = zipOf(100_000)
    await job.upload('kept', kept)
    const ballast = await fillDisk(leftKiB * 1024)
    const acknowledged = new Map([['kept', kept]])
    let refusals = 0
    for (let turn = 0; turn < 8; turn++) {
      const name = `more-${turn}`
      const zip = zipOf(turn % 2 === 0 ? 1_500_000 : 30_000)
      const isDone = await uploadByHand(job, name, zip)
      if (isDone) acknowledged.set(name, zip)
      else refusals += 1
    }
    expect(refusals).toBeGreaterThan(0)
    const expectWhole = async (): Promise<void> => {
      const listed = await job.list()
      expect(listed.map((each) => String(each['name'])).toSorted()).toEqual(
        [...acknowledged.keys()].toSorted(),
      )
      for (const item of listed) {
        const answer = await fetch(await job.signedUrl(item))
        const body = Buffer.from(await answer.arrayBuffer())
        expect(body.equals(acknowledged.get(item['name']!)!)).toBe(true)
      }
    }
    await expectWhole()
    await unlink(ballast)
    const after = zipOf(1_500_000)
    expect(await uploadByHand(job, 'after', after)).toBe(true)
    acknowledged.set('after', after)
    await expectWhole()
  },
)

/** Create, one block, the block list, Finalize. Returns false when one of them gets 507. */
async function uploadByHand(
  job: ReturnType<typeof callerOf>,
  name: string,
  zip: Buffer,
): Promise<boolean> {
  const isFull = (status: number): boolean => {
    if (status === 507) return true
    expect([200, 201]).toContain(status)
    return false
  }
  const created = await job.twirp('CreateArtifact', { name, version: 4 })
  if (isFull(created.status)) return false
  const url = String(created.body['signed_upload_url'])
  const block = Buffer.from('block-1').toString('base64')
  const put = async (query: string, body: Uint8Array | string): Promise<number> => {
    const answer = await fetch(url + query, {
      method: 'PUT',
      body: body as Uint8Array<ArrayBuffer>,
    })
    const text = await answer.text()
    if (answer.status === 507) expect(text).toContain('<Error><Code>')
    return answer.status
  }
  if (isFull(await put(`&comp=block&blockid=${encodeURIComponent(block)}`, zip))) return false
  const list = `<?xml version="1.0"?><BlockList><Latest>${block}</Latest></BlockList>`
  if (isFull(await put('&comp=blocklist', list))) return false
  const { status, body } = await job.finalize(name, zip)
  if (isFull(status)) {
    expect(body).toMatchObject({ code: 'resource_exhausted' })
    return false
  }
  return true
}

/** Returns the lowest free space on the disk while `work` runs. */
async function leastFree(work: () => Promise<void>): Promise<number> {
  let least = await freeBytes()
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      least = Math.min(least, await freeBytes())
      await setTimeout(1)
    }
  })()
  await work()
  isOver = true
  await watching
  return least
}

const minimum = 16 * MiB

const nearlyFull = /nearly full: .* free, of which 16\.0 MiB must stay free \(TROVE_MIN_FREE\)/

// Goal: a body larger than the space that uploads may use, and several at once, end with the same
// response as one rejected before its body. The database keeps its room, and nothing of the bodies
// stays.
test.each(['application/octet-stream', 'application/zip', 'application/x-tar'])(
  'bodies of %s that take the disk below its minimum are rejected in flight',
  async (type) => {
    const { trove } = await start('data-minimum', '16MiB')
    const client = await clientOf(trove)
    const before = await freeBytes()
    const content = randomBytes(before - minimum)
    const body = type === 'application/x-tar' ? await tarOf([{ name: 'file', content }]) : content
    const least = await leastFree(async () => {
      const answers = await Promise.all(
        ['a', 'b', 'c'].map(async (name) => await client.put(name, body, type)),
      )
      for (const { status, body: problem } of answers)
        expect([status, problem['detail']]).toEqual([507, expect.stringMatching(nearlyFull)])
    })
    expect(least).toBeGreaterThan(minimum - 4 * MiB)
    expect(await freeBytes()).toBeGreaterThan(before - MiB)
    expect((await client.put('small', randomBytes(MiB))).status).toBe(201)
  },
)

test('a stock upload without room frees what it has sent, and its later requests get the reason', async () => {
  const { trove } = await start('data-stock-minimum', '16MiB')
  const job = callerOf(trove.url, await trove.token(), 'test')
  const before = await freeBytes()
  const target = await job.create('large')
  const least = await leastFree(async () => {
    for (let number = 0; ; number++) {
      const answer = await putBlock(target, String(number), randomBytes(8 * MiB))
      if (answer.status === 201) continue
      expect([answer.status, await answer.text()]).toEqual([507, expect.stringMatching(nearlyFull)])
      break
    }
  })
  expect(least).toBeGreaterThan(minimum - MiB)
  expect(await freeBytes()).toBeGreaterThan(before - MiB)
  const late = [await putBlock(target, 'late', randomBytes(10)), await putBlockList(target, ['0'])]
  for (const answer of late)
    expect([answer.status, await answer.text()]).toEqual([507, expect.stringMatching(nearlyFull)])
  await job.upload('small', buildZip({ members: [{ name: 'x', content: randomBytes(1000) }] }))
})

test('a stock upload that fits once but not twice frees its space when it is finalized', async () => {
  const { trove } = await start('data-twice', '16MiB')
  const job = callerOf(trove.url, await trove.token(), 'test')
  const before = await freeBytes()
  const zip = buildZip({
    members: [{ name: 'x', content: randomBytes((before - minimum) * 0.7) }],
  })
  await putBlocks(await job.create('twice'), [['YQ==', zip]])
  for (let turn = 0; turn < 2; turn++)
    expect(await job.finalize('twice', zip)).toMatchObject({
      status: 507,
      body: { msg: expect.stringMatching(nearlyFull) },
    })
  expect(await freeBytes()).toBeGreaterThan(before - MiB)
})

test('a native upload that fills the disk to its minimum leaves nothing that the next gc does not free', async () => {
  const { trove } = await start('data-native-minimum', '16MiB')
  const tree = testDirectory()
  const before = await freeBytes()
  for (let number = 0; number < 8; number++)
    await writeFile(join(tree, String(number)), randomBytes((before - minimum) / 6))
  const access = await accessTo(trove, tree)
  const least = await leastFree(async () => {
    const refused = await runTrove(['upload', 'large', tree, '--run', '1'], access)
    expect([refused.status, refused.stderr]).toEqual([9, expect.stringMatching(nearlyFull)])
  })
  expect(least).toBeGreaterThan(minimum - 4 * MiB)
  expect((await runTrove(['gc', '--now'], access)).status).toBe(0)
  expect(await freeBytes()).toBeGreaterThan(before - MiB)
})

test('trove upload and backup report a full disk, and work once there is room', async () => {
  const { trove, dataDir } = await start('data-native')
  const tree = testDirectory()
  await writeFile(join(tree, 'large'), randomBytes(4 * MiB))
  const access = await accessTo(trove, tree)
  const run = async (...args: string[]): ReturnType<typeof runTrove> => await runTrove(args, access)
  expect((await run('upload', 'first', tree, '--run', '1')).status).toBe(0)
  await writeFile(join(tree, 'large'), randomBytes(4 * MiB))
  const destination = join(directory, 'backup')
  onTestFinished(() => {
    rmSync(destination, { recursive: true, force: true })
    rmSync(`${destination}.partial`, { recursive: true, force: true })
  })

  const ballast = await fillDisk(1.5 * MiB)
  for (const args of [
    ['upload', 'second', tree, '--run', '2'],
    ['backup', destination, '--copies'],
  ]) {
    const full = await run(...args)
    expect([full.status, full.stderr]).toEqual([9, expect.stringContaining('no space left')])
  }
  expect(existsSync(destination)).toBe(false)
  expect((await run('gc', '--now')).status).toBe(0)
  expect((await run('scrub')).status).toBe(0)
  expect((await run('list', '--json')).text).not.toContain('second')

  await unlink(ballast)
  expect((await run('upload', 'second', tree, '--run', '2')).status).toBe(0)
  expect((await run('backup', destination, '--copies')).status).toBe(0)
  expect((await run('scrub')).status).toBe(0)
  await trove.stop()
  const restored = await runTrove(['scrub', '--data', destination], { TROVE_MIN_FREE: '0' })
  expect(restored.status).toBe(0)
  expect(existsSync(join(dataDir, 'trove.db'))).toBe(true)
})

test.each([0, 36, 40, 44, 64])(
  'a start with %i KiB left, after a kill during a download, serves what is stored or reports the full disk',
  { timeout: 60_000 },
  async (leftKiB) => {
    const { trove, dataDir } = await start(`data-restart-${leftKiB}`)
    const kept = randomBytes(24 * MiB)
    const client = await clientOf(trove)
    const { body } = await client.put('kept', kept)
    const path = `/artifacts/${Number(body['id'])}/files/kept`
    const reader = (await client.send('GET', path)).body!.getReader()
    await reader.read()
    await trove.kill()
    await reader.cancel().catch(() => undefined)
    // Closing the database removes the write-ahead log, whose pages would be room to write in.
    const database = new SqliteDatabase(join(dataDir, 'trove.db'))
    expect(database.prepare('SELECT count(*) AS leases FROM read_leases').get()).toEqual({
      leases: 1,
    })
    database.close()

    await fillDisk(leftKiB * 1024)
    const environment = { TROVE_MIN_FREE: '0', TROVE_GC_INTERVAL: 'off' }
    const next = await startTrove(dataDir, environment).catch(String)
    if (typeof next === 'string') {
      expect(next).toContain('disk of the metadata is full')
      return
    }
    onTestFinished(async () => {
      await next.stop()
    })
    const again = await (await clientOf(next)).send('GET', path)
    expect(digestOf(Buffer.from(await again.arrayBuffer()))).toBe(digestOf(kept))
  },
)

// What the log has room for is committed, but no checkpoint can pass it on to the bucket.
test('with packs in a bucket, an upload that is committed but cannot be confirmed names the full disk', async () => {
  const fake = await startFakeS3()
  onTestFinished(() => fake.close())
  const trove = await startTrove(join(directory, 'data-bucket'), {
    TROVE_MIN_FREE: '0',
    TROVE_GC_INTERVAL: 'off',
    TROVE_S3_BUCKET: 'store/ci',
    TROVE_S3_ENDPOINT: fake.endpoint,
    TROVE_CHANGES_INTERVAL: '0',
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  })
  onTestFinished(async () => {
    await trove.stop()
    rmSync(join(directory, 'data-bucket'), { recursive: true, force: true })
  })
  const client = await clientOf(trove)
  const put = async (name: string): ReturnType<Client['put']> => {
    const files = Array.from({ length: 40 }, (_, at) => ({
      name: `${at}`,
      content: randomBytes(300),
    }))
    return await client.put(name, await tarOf(files), 'application/x-tar')
  }
  for (let turn = 0; turn < 5; turn++) expect((await put(`first-${turn}`)).status).toBe(201)
  const ballast = await fillDisk(0)
  let full = await put('full')
  for (let turn = 0; full.status === 201 && turn < 30; turn++) full = await put(`full-${turn}`)
  expect([full.status, full.body['code']]).toEqual([507, 'storage_full'])
  await unlink(ballast)
  expect((await put('after')).status).toBe(201)
})

// Method: a file system with few inodes. Each file takes one, and so does each link.
test.each([0, 1, 2, 3])(
  'a stock upload on a disk with %i inodes left is rejected for lack of them',
  async (left) => {
    const small = mkdtempSync(join(tmpdir(), 'trove-few-files-'))
    expect(tryMount(small, 'size=1m,nr_inodes=40')).toBe(true)
    onTestFinished(() => {
      execFileSync('umount', [small])
      rmSync(small, { recursive: true, force: true })
    })
    const staging = await openStaging(join(small, 'uploads'), { uploadBytesMax: MiB })
    await staging.openUpload('a'.repeat(32))
    await staging.writeBlock('a'.repeat(32), 'x', Readable.from([Buffer.from('content')]))
    for (let taken = (await statfs(small)).ffree; taken > left; taken--)
      await writeFile(join(small, String(taken)), '')
    const full = { code: 'storage_full' }
    await expect(staging.assemble('a'.repeat(32), ['x', 'x', 'x'])).rejects.toMatchObject(full)
    const opening = staging.openUpload('b'.repeat(32))
    if (left === 0) await expect(opening).rejects.toMatchObject(full)
    else await opening
  },
)
