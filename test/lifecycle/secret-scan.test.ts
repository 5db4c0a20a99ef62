/** Committed artifacts are scanned for credentials: each content once, whoever holds it, and
 *  what is skipped is counted. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { scanForSecrets, type SecretsReport } from '../../src/lifecycle/secret-scan.ts'
import { zipOf } from '../actions/archives.ts'
import { checkoutConfig, githubToken, randomText } from '../core/made-up-secrets.ts'
import { openStore, type TestStore } from '../ingest/open-store.ts'
import { flipByte, packPaths } from './stored-bytes.ts'

async function scan({ ports, packs }: TestStore, signal?: AbortSignal): Promise<SecretsReport> {
  const { metadata, now } = ports
  return await scanForSecrets({ metadata, packs, now, signal }, { bytesPerSecond: null })
}

const placesOf = async ({ metadata }: TestStore, id: number): Promise<string[]> =>
  (await metadata.listSecrets(id)).secrets.map(({ path, line, kind }) => `${path}:${line} ${kind}`)

describe('secrets', () => {
  test("of a checkout that a stock client's zip includes (ArtiPACKED) are found", async () => {
    const store = await openStore()
    const zip = zipOf({ '.git/config': checkoutConfig(), 'dist/app.js': 'app', 'a.md': 'a' })
    const { artifact } = await store.put('workspace', 'zip', zip)
    expect(await scan(store)).toMatchObject({ trees: 1, readFiles: 1, secrets: 1 })
    expect(await placesOf(store, artifact.id)).toEqual(['.git/config:7 git-authorization'])
    expect(await store.metadata.findArtifact(artifact.id)).toMatchObject({ secrets: 1 })
    expect(await scan(store)).toMatchObject({ trees: 0, readFiles: 0 })
  })

  test('are found in any text file, even a truncated one, and not where they do not count', async () => {
    const store = await openStore()
    const token = githubToken()
    const log = `${Array.from({ length: 9000 }, (_, n) => `line ${n} ${randomText(30, `${n}`)}\n`).join('')}token ${token}\n`
    expect(log.length).toBeGreaterThan(2 * limits.chunkThresholdBytes)
    const files = { 'ci/build.log': log, '.env.test': `A_TOKEN=${randomText(30)}1`, 'a.js': token }
    const id = await store.putTar('logs', files)
    await scan(store)
    expect(await placesOf(store, id)).toEqual(['ci/build.log:9001 github-token'])
  })

  test('of a content that was scanned before are known without reading it', async () => {
    const store = await openStore()
    const files = { 'one.txt': `x\n${githubToken()}`, 'two.txt': 'nothing' }
    await store.putTar('first', files)
    expect(await scan(store)).toMatchObject({ readFiles: 2, secrets: 1 })
    const id = await store.putTar('second', { 'sub/one.txt': files['one.txt'], 'new.txt': 'new' })
    expect(await scan(store)).toMatchObject({ trees: 1, readFiles: 1, secrets: 1 })
    expect(await placesOf(store, id)).toEqual(['sub/one.txt:2 github-token'])
  })

  test('in files meant for them are found, however many other files there are', async () => {
    const store = await openStore()
    const files = Object.fromEntries(
      Array.from({ length: limits.secretFilesMax + 20 }, (_, n) => [`a/${n}.txt`, 'the same']),
    )
    const id = await store.putTar('many', { ...files, 'z/.git/config': checkoutConfig() })
    expect(await scan(store)).toMatchObject({ readFiles: 2, skippedFiles: 21 })
    expect(await placesOf(store, id)).toEqual(['z/.git/config:7 git-authorization'])
    expect((await store.metadata.listSecrets(id)).passedOver).toBe(21)
  })
})

describe('the count of skipped files includes', () => {
  test('files that are too large', async () => {
    const store = await openStore()
    const large = `${githubToken()}\n`.padEnd(limits.secretFileBytesMax + 1, 'x')
    const id = await store.putTar('large', { 'large.log': large, 'small.log': 'x' })
    expect(await scan(store)).toMatchObject({ readFiles: 1, secrets: 0, skippedFiles: 1 })
    expect(await store.metadata.listSecrets(id)).toMatchObject({ isScanned: true, passedOver: 1 })
  })

  test('damaged files, which do not prevent the scan of others', async () => {
    const store = await openStore()
    const bad = await store.putTar('bad', { 'bad.txt': githubToken() })
    const good = await store.putTar('good', { 'good.txt': `good ${githubToken()}` })
    await spoil(store, bad)
    expect(await scan(store)).toMatchObject({ trees: 2, skippedFiles: 1 })
    expect(await store.metadata.listSecrets(bad)).toMatchObject({ passedOver: 1, secrets: [] })
    expect(await placesOf(store, good)).toEqual(['good.txt:1 github-token'])
  })
})

/** Changes a byte of the only file of an artifact. */
async function spoil({ metadata, directory }: TestStore, artifactId: number): Promise<void> {
  const [file] = (await metadata.readEntryPage(artifactId, 0))!.entries
  if (file?.kind !== 'file') throw new Error('there is no file')
  const { packName, offset } = file.blob.copy!
  const packs = await packPaths(join(directory, 'cas'))
  await flipByte(
    packs.find((path) => path.includes(packName))!,
    offset + 5,
  )
}

test('a round ends when it is stopped, and the next one continues', async () => {
  const store = await openStore()
  for (const name of ['a', 'b']) await store.putTar(name, { 'x.txt': name })
  const stop = new AbortController()
  stop.abort(new DOMException('stopped', 'AbortError'))
  await expect(scan(store, stop.signal)).rejects.toThrow('stopped')
  expect(await scan(store)).toMatchObject({ trees: 2 })
})

test('a tree that cannot be scanned does not delay others, and is retried', async () => {
  const store = await openStore()
  const [older, newer] = [
    await store.putTar('older', { 'x.txt': githubToken() }),
    await store.putTar('newer', { 'y.txt': 'y' }),
  ]
  const { metadata, now } = store.ports
  const failing: typeof metadata = {
    ...metadata,
    readTreePage: async (id, page) => {
      if (id === newer) throw new Error('no luck')
      return await metadata.readTreePage(id, page)
    },
  }
  const ports = { metadata: failing, packs: store.packs, now }
  await expect(scanForSecrets(ports, { bytesPerSecond: null })).rejects.toThrow('no luck')
  expect(await placesOf(store, older)).toHaveLength(1)
  expect(await scan(store)).toMatchObject({ trees: 1 })
  expect(await metadata.readScans(1, [digestOf('y')])).toHaveLength(1)
})
