/** The server as a whole: the lock on its directory, and an orderly stop. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { noise, zipOf } from './actions/archives.ts'
import { openRig, putBlocks, type Rig } from './actions/rig.ts'
import { lockDataDir } from '../src/metadata/sqlite/data-lock.ts'

/** Opens a download and does not read its body, so that the server is in the middle of sending
 *  it. */
async function openSlowDownload(url: string, userAgent: string): Promise<IncomingMessage> {
  const request = get(url, { headers: { 'user-agent': userAgent } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

async function uploadBig(rig: Rig): Promise<{ url: string; bytes: Buffer }> {
  const job = await rig.as()
  const bytes = zipOf({ big: noise(20_000_000) }, 0)
  await job.upload('big', bytes)
  const [item] = await job.list()
  return { url: await job.signedUrl(item!), bytes }
}

/** Resolves once the server has begun to store a block. */
async function untilReceiving(rig: Rig): Promise<void> {
  const staging = join(rig.dataDir, 'cas/staging/uploads')
  for (;;) {
    const names = await readdir(staging, { recursive: true })
    if (names.some((name) => name.includes('/incoming-'))) return
    await setImmediate()
  }
}

async function readRest(response: IncomingMessage): Promise<{ body: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return { body: Buffer.concat(chunks), isCut: false }
  } catch {
    return { body: Buffer.concat(chunks), isCut: true }
  }
}

test('a second server on the same directory is rejected while the first one runs', async () => {
  const first = await openRig()
  await expect(openRig({ dataDir: first.dataDir })).rejects.toThrow(
    'another trove process works on',
  )
  await first.stop()
  const second = await openRig({ dataDir: first.dataDir })
  await second.close()
})

test('the error for a directory in use names the URL of its server while that one listens', async () => {
  const rig = await openRig()
  const refusal = (): unknown => {
    try {
      lockDataDir(rig.dataDir, 'test').release()
      return 'free'
    } catch (error) {
      return error
    }
  }
  expect(refusal()).toMatchObject({ name: 'DataLockedError', serverUrl: rig.url })
  await rig.stop()
  // As left behind by a killed server.
  await writeFile(join(rig.dataDir, 'server.url'), 'http://127.0.0.1:9')
  const lock = lockDataDir(rig.dataDir, 'test')
  expect(refusal()).toMatchObject({ serverUrl: null })
  lock.release()
  expect(refusal()).toBe('free')
  await rig.close()
})

test('a killed process leaves no lock behind', async () => {
  const rig = await openRig()
  await rig.stop()
  const script = `
    import { lockDataDir } from './dist/src/metadata/sqlite/data-lock.js'
    lockDataDir(process.argv[1], 'gc')
    process.stdout.write('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, rig.dataDir])
  await once(child.stdout, 'data')
  expect(() => lockDataDir(rig.dataDir, 'test')).toThrow(
    `another trove process works on ${rig.dataDir} (trove gc, process ${child.pid})`,
  )
  child.kill('SIGKILL')
  await once(child, 'exit')
  lockDataDir(rig.dataDir, 'test').release()
  await rig.close()
})

test('acknowledged uploads survive a restart, and tokens and signed URLs stay valid', async () => {
  const first = await openRig()
  const job = await first.as()
  const bytes = zipOf({ a: 'x' })
  await job.upload('site', bytes)
  const [item] = await job.list()
  const { pathname, search } = new URL(await job.signedUrl(item!))
  await first.stop()
  const second = await openRig({ dataDir: first.dataDir })
  const response = await fetch(second.url + pathname + search)
  expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes)
  expect(await (await second.as()).list()).toEqual([item])
  await second.close()
})

test('a stop lets running downloads and uploads finish and accepts nothing new', async () => {
  const rig = await openRig()
  const { url, bytes } = await uploadBig(rig)
  const job = await rig.as({ job: 'other' })
  const target = new URL(await job.create('late'))
  const download = await openSlowDownload(url, 'curl/8')
  const upload = connect(Number(target.port), target.hostname)
  upload.write(
    `PUT ${target.pathname}${target.search}&comp=block&blockid=YQ== HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc`,
  )
  await untilReceiving(rig)
  const closed = rig.close()
  await expect(fetch(`${rig.url}/healthz`, { headers: { connection: 'close' } })).rejects.toThrow(
    'fetch failed',
  )
  upload.write('def')
  const [answer] = (await once(upload, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 201 /)
  const { body, isCut } = await readRest(download)
  expect(isCut).toBe(false)
  expect(body.equals(bytes)).toBe(true)
  await closed
})

test('a download that outlasts the grace period is ended by poison for stock clients and a reset for others', async () => {
  const rig = await openRig({ graceMs: 100 })
  const { url, bytes } = await uploadBig(rig)
  const stock = await openSlowDownload(url, '@actions/artifact-2.3.2')
  const other = await openSlowDownload(url, 'curl/8')
  const closed = rig.server.close()
  // No body is read until the grace period is over.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const [poisoned, cut] = await Promise.all([readRest(stock), readRest(other)])
  expect(poisoned.isCut).toBe(false)
  expect(poisoned.body.length).toBeLessThan(bytes.length)
  expect(poisoned.body.subarray(-4096)).toEqual(Buffer.alloc(4096, 0xff))
  expect(cut.isCut).toBe(true)
  await closed
  await rig.close()
})

test('a connection without a request does not delay a stop', async () => {
  const rig = await openRig()
  const { port } = new URL(rig.url)
  const silent = connect(Number(port), '127.0.0.1')
  silent.on('error', () => {})
  await once(silent, 'connect')
  // Once the server has answered a later connection, it has accepted this one.
  await fetch(rig.url)
  const startedAt = performance.now()
  await rig.close()
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  silent.destroy()
})

test('closing twice has the effect of closing once', async () => {
  const rig = await openRig()
  const job = await rig.as()
  await putBlocks(await job.create('a'), [['YQ==', Buffer.from('x')]])
  await Promise.all([rig.server.close(), rig.server.close()])
  expect(() => {
    lockDataDir(rig.dataDir, 'test').release()
  }).not.toThrow()
  await rig.close()
})
