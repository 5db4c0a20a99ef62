/** Large sizes over the wire with curl: many entries, one huge file, a zip beyond the 32-bit
 *  limits. The server must keep its memory bounded (invariant 8) and stay responsive. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rm, stat, symlink } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateBigFile, generateSmallFiles, listFiles } from '../../bench/corpora.ts'
import { readPeakRss } from '../../bench/measure.ts'
import { makeDirectory } from '../client/tree.ts'
import { openStockClient } from './stock-client.ts'
import { startTrove, type TroveProcess } from './trove-process.ts'

const run = promisify(execFile)
const gibibyte = 1024 ** 3

const scratch = await makeDirectory()
let trove: TroveProcess
let token: string

beforeAll(async () => {
  trove = await startTrove(join(scratch, 'data'))
  token = await trove.token()
})
afterAll(async () => await trove.stop())

/** Uploads a file with `PUT` and returns the artifact's id. */
async function put(file: string, name: string, type: string): Promise<number> {
  const url = `${trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`
  const { stdout } = await curl(['-T', file, '-H', `Content-Type: ${type}`, url])
  return (JSON.parse(stdout) as { id: number }).id
}

async function save(path: string, name: string): Promise<string> {
  const file = join(scratch, name)
  await curl(['-o', file, `${trove.url}/api/v1${path}`])
  return file
}

async function curl(args: string[]): Promise<{ stdout: string }> {
  return await run('curl', [
    '-sS',
    '--fail-with-body',
    '-H',
    `Authorization: Bearer ${token}`,
    ...args,
  ])
}

async function digestOfFile(path: string): Promise<string> {
  const digest = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), digest)
  return digest.digest('hex')
}

test('a zip of 100,000 entries is downloaded as it was sent, and as a tar', async () => {
  const tree = await generateSmallFiles(100_000, 1024)
  const zip = join(scratch, 'many.zip')
  await run('zip', ['-qr', zip, '.'], { cwd: tree })
  const id = await put(zip, 'many', 'application/zip')
  const fetched = await save(`/artifacts/${id}/archive.zip`, 'many-fetched.zip')
  expect(await digestOfFile(fetched)).toBe(await digestOfFile(zip))
  const tar = await save(`/artifacts/${id}/archive.tar.gz`, 'many.tar.gz')
  const out = join(scratch, 'many')
  await mkdir(out)
  await run('tar', ['-xzf', tar, '-C', out])
  await run('diff', ['-r', tree, out])
  await rm(out, { recursive: true })
})

test('unzip and Python accept a generated zip of 100,000 entries', async () => {
  const tree = await generateSmallFiles(100_000, 1024)
  const tar = join(scratch, 'many.tar')
  await run('tar', ['-cf', tar, '-C', tree, '.'])
  const id = await put(tar, 'generated', 'application/x-tar')
  const zip = await save(`/artifacts/${id}/archive.zip`, 'generated.zip')
  await run('unzip', ['-tqq', zip])
  const script =
    'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))'
  expect((await run('python3', ['-c', script, zip])).stdout.trim()).toBe('100000')
})

test('a file of 5 GiB is downloaded unchanged, directly and in a zip', async () => {
  const file = await generateBigFile(5 * gibibyte)
  const id = await put(file, 'five', 'application/octet-stream')
  const digest = await digestOfFile(file)
  const whole = await save(`/artifacts/${id}/files/five`, 'five.bin')
  expect(await digestOfFile(whole)).toBe(digest)
  await rm(whole)
  const zip = await save(`/artifacts/${id}/archive.zip`, 'five.zip')
  await run('unzip', ['-oq', zip, '-d', join(scratch, 'five')])
  expect(await digestOfFile(join(scratch, 'five', 'five'))).toBe(digest)
  await rm(zip)
  await rm(join(scratch, 'five'), { recursive: true })
})

test('a zip of more than 4 GiB is downloaded byte for byte', async () => {
  const file = await generateBigFile(5 * gibibyte)
  const zip = join(scratch, 'huge.zip')
  await run('zip', ['-q0', zip, basename(file)], { cwd: dirname(file) })
  expect((await stat(zip)).size).toBeGreaterThan(4 * gibibyte)
  const id = await put(zip, 'huge', 'application/zip')
  const digest = await digestOfFile(zip)
  await rm(zip)
  const fetched = await save(`/artifacts/${id}/archive.zip`, 'huge-fetched.zip')
  expect(await digestOfFile(fetched)).toBe(digest)
  await rm(fetched)
})

test('/healthz responds within 50 ms at p99 while 20,000 members are being finalized', async () => {
  const tree = join(scratch, 'tree')
  await symlink(await generateSmallFiles(20_000, 1024), tree)
  const client = await openStockClient({ url: trove.url, token })
  try {
    const upload = client.uploadArtifact('members', await listFiles(`${tree}/`), tree)
    const finished = upload.then(() => true)
    while (!client.log().includes('Finalizing artifact upload')) await measureHealth()
    const latencies: number[] = []
    do latencies.push(await measureHealth())
    while (!(await Promise.race([finished, pause(10)])))
    const sorted = latencies.toSorted((a, b) => a - b)
    expect(sorted.length).toBeGreaterThan(20)
    expect(sorted[Math.ceil(sorted.length * 0.99) - 1]).toBeLessThan(50)
  } finally {
    await client.close()
  }
})

// Must be last: the peak covers all tests above.
test('the peak memory of the server is below 300 MiB', () => {
  expect(readPeakRss(trove.pid)).toBeLessThan(300 * 1024 ** 2)
})

const agent = new Agent({ keepAlive: true })

/** Returns the milliseconds that one `GET /healthz` took. */
async function measureHealth(): Promise<number> {
  const start = performance.now()
  const status = await new Promise<number | undefined>((resolve, reject) => {
    get(`${trove.url}/healthz`, { agent }, (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode)
      })
    }).on('error', reject)
  })
  if (status !== 200) throw new Error(`healthz answered ${status}`)
  return performance.now() - start
}

async function pause(milliseconds: number): Promise<false> {
  return await new Promise((resolve) => {
    setTimeout(resolve, milliseconds, false)
  })
}
