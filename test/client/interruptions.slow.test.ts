/** Whatever is cut or killed half-way: the same command then succeeds and sends only what is
 *  missing, and nothing that was acknowledged, or that has its final name, is ever wrong. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { lstat, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import { runTrove as runCommand, startTrove as startCommand } from '../cli/run-trove.ts'
import { startTrove, type TroveProcess } from '../clients/trove-process.ts'
import { type FlakyProxy, startFlakyProxy } from './flaky-proxy.ts'
import { startSeeingProxy } from './seeing-proxy.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from './tree.ts'

interface Setting {
  data: string
  server: TroveProcess
  proxy: FlakyProxy
  token: string
  root: string
  client: Client
}

/** A server behind a proxy, and an incompressible tree of about 24 MB: small files and a large
 *  one. */
async function prepare(): Promise<Setting> {
  const data = await makeDirectory()
  const server = await startTrove(data)
  onTestFinished(async () => void (await server.stop()))
  const proxy = await startFlakyProxy(server.url)
  const token = await server.token(['--project', 'octo/demo', '--scope', 'write'])
  const small = Array.from({ length: 160 }, (_, index) => [
    `small/${index}`,
    pseudoRandom(100_000, `s${index}`),
  ])
  const root = await makeDirectory({
    ...Object.fromEntries(small),
    large: pseudoRandom(8_000_000, 'large'),
  })
  const client = createClient({ url: proxy.url, token, cacheDir: null })
  return { data, server, proxy, token, root, client }
}

const treeBytes = 24_000_000
/** Upper bound on what is sent besides contents: manifest, heads of requests and streams. */
const talkBytes = 150_000

function uploadOf({ root }: Setting): Parameters<Client['upload']>[0] {
  return {
    project: 'octo/demo',
    run: 1,
    name: 'build',
    source: { kind: 'patterns', patterns: ['.'], directory: root },
  }
}

/** Paths of files in a partial tree that are identical in the whole one. */
async function wholeFiles(partial: string, whole: Record<string, string>): Promise<string[]> {
  if (!existsSync(partial)) return []
  const held = Object.entries(await describeTree(partial))
  return held.flatMap(([below, told]) => {
    const path = below.replace(/^[^/]+\/tree\//, '')
    return told.startsWith('file') && told === whole[path] ? [path] : []
  })
}

async function expectWhole(
  { client, root }: Setting,
  artifact: { id: number; treeDigest: string },
): Promise<void> {
  const back = await makeDirectory()
  await client.download({ artifact, destination: back })
  expect(await describeTree(back)).toEqual(await describeTree(root))
}

test('random connection cuts delay an upload and a download but harm neither', async () => {
  const setting = await prepare()
  const { proxy, client, root } = setting
  let seed = 7
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
  proxy.cutNext(8, () => 200_000 + random() * 6_000_000)
  const { artifact } = await client.upload(uploadOf(setting))
  // What was complete when a connection was cut was not sent again.
  expect(proxy.sentBytes()).toBeLessThan(2.5 * treeBytes)
  proxy.cutNext(6, () => 200_000 + random() * 6_000_000)
  const back = await makeDirectory()
  await client.download({ artifact, destination: back })
  expect(await describeTree(back)).toEqual(await describeTree(root))
  expect(proxy.receivedBytes()).toBeLessThan(2.5 * treeBytes)
})

test('an upload that sends much but makes no progress fails', async () => {
  const setting = await prepare()
  const { server, token } = setting
  let tries = 0
  const stop = new AbortController()
  const url = await startSeeingProxy(server.url, async (path) => {
    if (path.includes('/manifest?')) tries += 1
    if (tries > 10) stop.abort()
    if (!path.endsWith('/packs')) return undefined
    return { status: 502, body: 'as from a proxy whose server takes too long' }
  })
  const client = createClient({ url, token, cacheDir: null })
  const uploading = client.upload({ ...uploadOf(setting), signal: stop.signal })
  await expect(uploading).rejects.toMatchObject({ name: 'NetworkError' })
  expect(tries).toBe(6)
})

test('a large file that a failed attempt still cuts does not count as done', async () => {
  const { server, token, root } = await prepare()
  // It is still being cut when the request with the first small files fails.
  await writeFile(join(root, 'large-one'), '')
  await truncate(join(root, 'large-one'), 256 * 1024 * 1024)
  let packs = 0
  const url = await startSeeingProxy(server.url, async (path) => {
    if (!path.endsWith('/packs')) return undefined
    packs += 1
    return packs === 1 ? { status: 502, body: 'once' } : undefined
  })
  let most = 0
  await createClient({ url, token, cacheDir: null }).upload({
    project: 'octo/demo',
    run: 1,
    name: 'build',
    source: { kind: 'patterns', patterns: ['.'], directory: root },
    onProgress: ({ doneBytes, totalBytes }) => {
      if (totalBytes > 0) most = Math.max(most, doneBytes / totalBytes)
    },
  })
  expect(packs).toBeGreaterThan(1)
  expect(most).toBe(1)
}, 120_000)

test('a server killed in mid-upload keeps what it acknowledged; the same upload sends the rest', async () => {
  const setting = await prepare()
  const { proxy, client, server, data } = setting
  const stop = new AbortController()
  const interrupted = client.upload({ ...uploadOf(setting), signal: stop.signal })
  interrupted.catch(() => {})
  await proxy.passed('sent', 20_000_000)
  await server.kill()
  stop.abort()
  await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' })
  const again = await startTrove(data)
  onTestFinished(async () => {
    await again.stop()
  })
  proxy.pointTo(again.url)
  const before = proxy.sentBytes()
  const { artifact, logicalBytes, reusedBytes } = await client.upload(uploadOf(setting))
  // Most had arrived when the server was killed; nothing that it had stored is sent again.
  expect(reusedBytes).toBeGreaterThan(0.2 * treeBytes)
  expect(proxy.sentBytes() - before).toBeLessThan(logicalBytes - reusedBytes + talkBytes)
  await expectWhole(setting, artifact)
  const third = await client.upload({ ...uploadOf(setting), name: 'third' })
  expect(third).toMatchObject({ sentBytes: 0, reusedBytes: logicalBytes })
})

test('after a server was killed, an upload of changes continues from the earlier tree', async () => {
  const setting = await prepare()
  const { proxy, server, data, root, token } = setting
  const client = createClient({ url: proxy.url, token, cacheDir: await makeDirectory() })
  await client.upload(uploadOf(setting))
  const changed = Array.from({ length: 60 }, (_, index) => [
    `small/${index * 2}`,
    pseudoRandom(100_000, `changed ${index}`),
  ])
  await makeTree(root, Object.fromEntries(changed))
  await rm(join(root, 'small/1'))
  const before = proxy.sentBytes()
  const uploading = client.upload({ ...uploadOf(setting), name: 'changed' })
  await proxy.passed('sent', 3_000_000)
  await server.kill()
  const again = await startTrove(data)
  onTestFinished(async () => {
    await again.stop()
  })
  proxy.pointTo(again.url)
  const { artifact } = await uploading
  expect(proxy.sentBytes() - before).toBeLessThan(2 * 6_000_000 + talkBytes)
  await expectWhole(setting, artifact)
  const third = await client.upload({ ...uploadOf(setting), name: 'third' })
  expect(third.sentBytes).toBe(0)
})

test('a client killed in mid-upload leaves its blobs; the same command sends the rest', async () => {
  const setting = await prepare()
  const { proxy, token, root, client } = setting
  const environment = {
    TROVE_URL: proxy.url,
    TROVE_TOKEN: token,
    TROVE_CACHE_DIR: await makeDirectory(),
  }
  const args = ['upload', 'build', root, '--project', 'octo/demo', '--run', '1']
  const child = startCommand(args, environment)
  child.stdin.end()
  await proxy.passed('sent', 16_000_000)
  child.kill('SIGKILL')
  await once(child, 'close')
  const before = proxy.sentBytes()
  const again = await runCommand([...args, '--json'], environment)
  expect(again.status).toBe(0)
  const { logicalBytes, reusedBytes } = JSON.parse(again.text) as Record<string, number>
  expect(reusedBytes).toBeGreaterThan(0.2 * treeBytes)
  expect(proxy.sentBytes() - before).toBeLessThan(logicalBytes! - reusedBytes! + talkBytes)
  for await (const artifact of client.list({ project: 'octo/demo', run: 1 }))
    await expectWhole(setting, artifact)
})

test('a killed download leaves no torn file under a final name, and resumes with what it has', async () => {
  const setting = await prepare()
  const { proxy, token, root, client } = setting
  const { artifact } = await client.upload(uploadOf(setting))
  const back = await makeDirectory()
  const environment = {
    TROVE_URL: proxy.url,
    TROVE_TOKEN: token,
    TROVE_CACHE_DIR: await makeDirectory(),
  }
  const args = ['download', `id:${artifact.id}`, back]
  const whole = await describeTree(root)
  const partial = join(back, '.trove-partial')
  const goOn = proxy.stallAfter(16_000_000)
  const child = startCommand(args, environment)
  child.stdin.end()
  // Files have 0.1 MB each: some of what passed is on disk by then, and the rest can still arrive.
  await expect
    .poll(async () => (await wholeFiles(partial, whole)).length, { timeout: 20_000 })
    .toBeGreaterThan(30)
  child.kill('SIGKILL')
  await once(child, 'close')
  goOn()
  const left = Object.entries(await describeTree(back)).filter(
    ([path]) => !path.startsWith('.trove-partial'),
  )
  for (const [path, told] of left) expect(told).toBe(whole[path])
  // Files that are complete in the partial tree are not fetched again.
  const kept = await wholeFiles(partial, whole)
  const sizes = await Promise.all(kept.map(async (path) => (await lstat(join(root, path))).size))
  const keptBytes = sizes.reduce((sum, size) => sum + size, 0)
  expect(keptBytes).toBeGreaterThan(0.1 * treeBytes)
  const before = proxy.receivedBytes()
  expect(await runCommand(args, environment)).toMatchObject({ status: 0 })
  expect(proxy.receivedBytes() - before).toBeLessThan(treeBytes - keptBytes + talkBytes)
  expect(await describeTree(back)).toEqual(whole)
})
