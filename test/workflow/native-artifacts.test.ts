/** The artifact steps against a real server; what takes long is in native-artifacts.slow.test.ts. */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createNativeArtifacts } from '../../src/workflow/native-artifacts.ts'
import { openRig, type Rig } from '../actions/rig.ts'
import { listFiles } from './disk-artifacts.ts'
import { onServer } from './native-run.ts'
import { createPlayground, oneJob } from './playground.ts'

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
})
afterAll(async () => {
  await rig.close()
})

test('another run is reached by its id with a token', async () => {
  const place = await createPlayground()
  const first = onServer(rig)
  await place.run(
    oneJob(
      '- run: echo one > one.txt\n- {uses: actions/upload-artifact@v7, with: {name: one, path: one.txt}}',
    ),
    first,
  )
  const run = await place.run(
    oneJob(`
- {uses: actions/download-artifact@v8, with: {name: one, path: got, github-token: '\${{ github.token }}', run-id: ${first.facts.runId}}}
- run: cat got/one.txt
`),
    onServer(rig),
  )
  expect(run.conclusion).toBe('success')
})

test('an artifact lives for its retention days and is gone after them', async () => {
  const place = await createPlayground()
  const options = onServer(rig)
  const run = await place.run(
    oneJob(
      '- run: echo x > x\n- {uses: actions/upload-artifact@v7, with: {name: short, path: x, retention-days: 30}}',
    ),
    options,
  )
  expect(run.conclusion).toBe('success')
  const token = await rig.token({
    project: 'octo/demo',
    run: options.facts.runId,
    job: 'look',
    scope: 'job',
    expiresInSeconds: 90 * 86_400,
  })
  const store = createNativeArtifacts({
    url: rig.url,
    token,
    project: 'octo/demo',
    run: options.facts.runId,
  })
  expect(await store.list(undefined)).toMatchObject([{ name: 'short' }])
  rig.advance(29 * 86_400_000)
  expect(await store.list(undefined)).toHaveLength(1)
  rig.advance(1.1 * 86_400_000)
  expect(await store.list(undefined)).toEqual([])
  rig.advance(-30.1 * 86_400_000)
})

test('a download leaves what else is in its directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'trove-native-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const options = onServer(rig)
  const store = await options.openArtifacts?.({ key: 'job', id: 'job', name: 'job' })
  if (store === undefined) throw new Error('no store')
  await writeFile(join(directory, 'a.txt'), 'a')
  const { signal } = new AbortController()
  const request = {
    archive: true,
    retentionDays: undefined,
    compressionLevel: 6,
    overwrite: false,
    signal,
  }
  const files = [{ sourcePath: join(directory, 'a.txt'), entryPath: 'deep/a.txt' }]
  const { id } = await store.upload({ ...request, name: 'kept', files })
  const target = join(directory, 'target')
  await mkdir(join(target, 'deep'), { recursive: true })
  await writeFile(join(target, 'deep/other.txt'), 'other')
  const [artifact] = await store.list(undefined)
  if (artifact === undefined) throw new Error('nothing listed')
  expect(artifact.id).toBe(id)
  await store.download({ artifact, from: undefined, directory: target, keepArchive: false, signal })
  expect(await listFiles(target)).toEqual(['deep/a.txt', 'deep/other.txt'])
  expect(await readFile(join(target, 'deep/a.txt'), 'utf8')).toBe('a')
  expect((await stat(join(target, 'deep/a.txt'))).isFile()).toBe(true)
  expect(await store.remove('kept')).toBe(true)
  expect(await store.remove('kept')).toBe(false)
})
