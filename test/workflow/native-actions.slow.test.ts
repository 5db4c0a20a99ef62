/** Artifact steps against a real server; native-artifacts.slow.test.ts has the published client. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { ArtifactStore } from '../../src/workflow/artifacts.ts'
import { createNativeArtifacts } from '../../src/workflow/native-artifacts.ts'
import { openRig, type Rig } from '../actions/rig.ts'
import { makeDirectory } from '../client/tree.ts'
import { listFiles } from './disk-artifacts.ts'
import { nextRun, onServer } from './native-run.ts'
import { createPlayground, oneJob } from './playground.ts'

const project = 'octo/demo'
/** An upload of a tree, without its name and files. */
const plain = {
  archive: true,
  retentionDays: undefined,
  compressionLevel: 6,
  overwrite: false,
  signal: new AbortController().signal,
}

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
  return rig.close
})

test('a token and a run id give access to another run', async () => {
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

test('an artifact exists for its retention days and then expires', async () => {
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
    project,
    run: options.facts.runId,
    job: 'look',
    scope: 'job',
    expiresInSeconds: 90 * 86_400,
  })
  const store = createNativeArtifacts({
    url: rig.url,
    token,
    project,
    run: options.facts.runId,
    attempt: 1,
  })
  expect(await store.list(undefined)).toMatchObject([{ name: 'short' }])
  rig.advance(29 * 86_400_000)
  expect(await store.list(undefined)).toHaveLength(1)
  rig.advance(1.1 * 86_400_000)
  expect(await store.list(undefined)).toEqual([])
  rig.advance(-30.1 * 86_400_000)
})

test('artifact-digest is the digest in the REST API: of a single file its own, of a tree none', async () => {
  const place = await createPlayground()
  const options = onServer(rig)
  const run = await place.run(
    oneJob(`
- run: echo one > one.txt
- {id: tree, uses: actions/upload-artifact@v7, with: {name: tree, path: one.txt}}
- {id: file, uses: actions/upload-artifact@v7, with: {path: one.txt, archive: false}}
- run: |
    echo "sum $(sha256sum < one.txt)"
    echo "tree '\${{ steps.tree.outputs.artifact-digest }}' \${{ steps.tree.outputs.tree-digest }}"
    echo "file '\${{ steps.file.outputs.artifact-digest }}' \${{ steps.file.outputs.tree-digest }}"
`),
    options,
  )
  const log = run.log('job')
  const [, sum] = /^sum ([0-9a-f]{64}) /m.exec(log) ?? []
  const [, treeDigest] = /^tree '' (sha256:[0-9a-f]{64})$/m.exec(log) ?? []
  expect(treeDigest).toBeDefined()
  expect(log).toContain(`file '${sum}' ${treeDigest}`)
  expect(log).toContain(`SHA256 digest of uploaded artifact is ${sum}\n`)
  const token = await rig.token({ project, run: options.facts.runId, job: 'look', scope: 'job' })
  const answer = await fetch(
    `${rig.url}/repos/${project}/actions/runs/${options.facts.runId}/artifacts`,
    { headers: { authorization: `Bearer ${token}` } },
  )
  const { artifacts } = (await answer.json()) as { artifacts: { name: string; digest: unknown }[] }
  expect(new Map(artifacts.map(({ name, digest }) => [name, digest]))).toEqual(
    new Map([
      ['tree', null],
      ['one.txt', `sha256:${sum}`],
    ]),
  )
})

test('an empty file is uploaded without an archive, too', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- run: touch empty.txt
- {id: file, uses: actions/upload-artifact@v7, with: {path: empty.txt, archive: false}}
- {uses: actions/download-artifact@v8, with: {name: empty.txt, path: got}}
- run: test -f got/empty.txt && test ! -s got/empty.txt && echo same
`),
    onServer(rig),
  )
  expect(run.log('job')).toMatch(/^same$/m)
})

test('a download keeps other files in its directory', async () => {
  const directory = await makeDirectory()
  const options = onServer(rig)
  const store = await options.openArtifacts?.({ key: 'job', id: 'job', name: 'job' })
  if (store === undefined) throw new Error('no store')
  await writeFile(join(directory, 'a.txt'), 'a')
  const { signal } = plain
  const files = [{ absolutePath: join(directory, 'a.txt'), entryPath: 'deep/a.txt' }]
  const { id } = await store.upload({ ...plain, name: 'kept', files })
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
  await store.remove(artifact)
  expect(await store.list(undefined)).toEqual([])
})

test('a rerun attempt lists its own artifacts, and those of another attempt for names it lacks', async () => {
  const directory = await makeDirectory()
  const run = nextRun()
  const storeOf = async (attempt: number): Promise<ArtifactStore> => {
    const token = await rig.token({ project, run, attempt, job: 'job', scope: 'job' })
    return createNativeArtifacts({ url: rig.url, token, project, run, attempt })
  }
  const [first, second] = [await storeOf(1), await storeOf(2)]
  const upload = async (store: ArtifactStore, name: string, text: string): Promise<number> => {
    const absolutePath = join(directory, text)
    await writeFile(absolutePath, text)
    return (await store.upload({ ...plain, name, files: [{ absolutePath, entryPath: 'a.txt' }] }))
      .id
  }
  const later = await upload(second, 'both', 'of the second')
  const other = await upload(second, 'other', 'of the second')
  const again = await upload(first, 'both', 'of the first')
  expect(again).toBeGreaterThan(later)
  const idsOf = async (store: ArtifactStore): Promise<number[]> =>
    (await store.list(undefined)).map(({ id }) => id)
  expect(await idsOf(first)).toEqual([other, again])
  expect(await idsOf(second)).toEqual([later, other])
  const [ofSecond] = (await second.list(undefined)).filter(({ id }) => id === later)
  if (ofSecond === undefined) throw new Error('not listed')
  await second.remove(ofSecond)
  expect(await idsOf(second)).toEqual([other, again])
})
