/** The server as a whole: one at a time on a directory, and an orderly end. */
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
import { lockDataDir } from '../src/metadata/data-lock.ts'

/** A response whose body nobody reads yet, so that the server is in the middle of sending it. */
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

/** Resolves once the server has begun to keep a block. */
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

test('a second server on the same directory is refused, and a later one is not', async () => {
  const first = await openRig()
  await expect(openRig({ dataDir: first.dataDir })).rejects.toThrow(
    'another trove process works on',
  )
  await first.stop()
  const second = await openRig({ dataDir: first.dataDir })
  await second.close()
})

test('who finds the directory in use learns where its server answers, as long as it does', async () => {
  const rig = await openRig()
  const refusal = (): unknown => {
    try {
      lockDataDir(rig.dataDir).release()
      return 'free'
    } catch (error) {
      return error
    }
  }
  expect(refusal()).toMatchObject({ name: 'DataLockedError', serverUrl: rig.url })
  await rig.stop()
  // What a killed server left behind.
  await writeFile(join(rig.dataDir, 'server.url'), 'http://127.0.0.1:9')
  const lock = lockDataDir(rig.dataDir)
  expect(refusal()).toMatchObject({ serverUrl: null })
  lock.release()
  expect(refusal()).toBe('free')
  await rig.close()
})

test('a killed process leaves no lock behind', async () => {
  const rig = await openRig()
  await rig.stop()
  const script = `
    import { lockDataDir } from './dist/src/metadata/data-lock.js'
    lockDataDir(process.argv[1])
    process.stdout.write('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, rig.dataDir])
  await once(child.stdout, 'data')
  expect(() => lockDataDir(rig.dataDir)).toThrow('another trove process')
  child.kill('SIGKILL')
  await once(child, 'exit')
  lockDataDir(rig.dataDir).release()
  await rig.close()
})

test('what was acknowledged is there after a restart, under the same tokens and signed URLs', async () => {
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

test('a stop lets a running download and a running upload finish, and takes nothing new', async () => {
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

test('a download that outlasts the grace ends as its client needs: poison for stock zips, a cut for others', async () => {
  const rig = await openRig({ graceMs: 100 })
  const { url, bytes } = await uploadBig(rig)
  const stock = await openSlowDownload(url, '@actions/artifact-2.3.2')
  const other = await openSlowDownload(url, 'curl/8')
  const closed = rig.server.close()
  // Nobody reads until the grace is over.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const [poisoned, cut] = await Promise.all([readRest(stock), readRest(other)])
  expect(poisoned.isCut).toBe(false)
  expect(poisoned.body.length).toBeLessThan(bytes.length)
  expect(poisoned.body.subarray(-4096)).toEqual(Buffer.alloc(4096, 0xff))
  expect(cut.isCut).toBe(true)
  await closed
  await rig.close()
})

test('a connection on which nothing was asked does not hold up a stop', async () => {
  const rig = await openRig()
  const { port } = new URL(rig.url)
  const silent = connect(Number(port), '127.0.0.1')
  silent.on('error', () => {})
  await once(silent, 'connect')
  // The server knows of it once it has answered somebody who came later.
  await fetch(rig.url)
  const startedAt = performance.now()
  await rig.close()
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  silent.destroy()
})

test('closing twice is closing once', async () => {
  const rig = await openRig()
  const job = await rig.as()
  await putBlocks(await job.create('a'), [['YQ==', Buffer.from('x')]])
  await Promise.all([rig.server.close(), rig.server.close()])
  expect(() => {
    lockDataDir(rig.dataDir).release()
  }).not.toThrow()
  await rig.close()
})
