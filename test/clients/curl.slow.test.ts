/** curl against a running server: complete uploads in one request, and interrupted downloads that
 *  resume. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openStore } from './store.ts'
import { buildTree, readDigests, smallTree, writeTree } from './trees.ts'

const run = promisify(execFile)

const store = await openStore()
const token = await store.token()
const scratch = await makeDirectory()
/** Artifact ids by name: `tree` was uploaded as a tar, `exact` as a zip made by another program. */
const ids: Record<string, number> = {}

beforeAll(async () => {
  const root = join(scratch, 'root')
  await writeTree(root, buildTree())
  await run('tar', ['-cf', join(scratch, 'tree.tar'), '-C', root, '.'])
  await run('zip', ['-qr', join(scratch, 'exact.zip'), '.'], { cwd: root })
  ids['tree'] = await put('tree', 'tree.tar', 'application/x-tar')
  ids['exact'] = await put('exact', 'exact.zip', 'application/zip')
})

async function curl(args: string[]): Promise<string> {
  const access = ['-H', `Authorization: Bearer ${token}`]
  return (await run('curl', ['-sS', '--fail-with-body', ...access, ...args])).stdout
}

async function put(name: string, file: string, type: string): Promise<number> {
  const url = `${store.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`
  const answer = await curl(['-T', join(scratch, file), '-H', `Content-Type: ${type}`, url])
  return (JSON.parse(answer) as { id: number }).id
}

const representations: [string, () => string][] = [
  ['a zip as it was sent', () => `/artifacts/${ids['exact']}/archive.zip`],
  ['a zip generated from a tar', () => `/artifacts/${ids['tree']}/archive.zip`],
  ['a tar.gz', () => `/artifacts/${ids['tree']}/archive.tar.gz`],
  ['a tar.gz generated from a zip', () => `/artifacts/${ids['exact']}/archive.tar.gz`],
  ['part of an artifact', () => `/artifacts/${ids['tree']}/archive.zip?path=large.*`],
  ['one file', () => `/artifacts/${ids['tree']}/files/large.bin`],
  ['all artifacts of a run', () => '/runs/1/archive.zip?project=octo/demo'],
]

test.each(representations)(
  '%s that was interrupted resumes to the same bytes with curl -C -',
  async (_name, path) => {
    const url = `${store.url}/api/v1${path()}`
    const whole = join(scratch, 'whole')
    await curl(['-o', whole, url])
    const bytes = await readFile(whole)
    expect(bytes.length).toBeGreaterThanOrEqual(9 * 1024 * 1024)
    for (const length of [1, 100, 70_000, Math.floor(bytes.length / 2), bytes.length - 1]) {
      await truncate(whole, length)
      await curl(['-C', '-', '-o', whole, url])
      expect((await readFile(whole)).equals(bytes)).toBe(true)
      await writeFile(whole, bytes)
    }
  },
)

test('a file sent compressed resumes to the same bytes', async () => {
  const url = `${store.url}/api/v1/artifacts/${ids['tree']}/files/assets/app.js`
  const gzip = ['-H', 'Accept-Encoding: gzip']
  const whole = join(scratch, 'app.js.gz')
  await curl([...gzip, '-o', whole, url])
  const bytes = await readFile(whole)
  await truncate(whole, 20)
  await curl([...gzip, '-C', '-', '-o', whole, url])
  expect((await readFile(whole)).equals(bytes)).toBe(true)
  const { stdout } = await run('gzip', ['-dc', whole])
  expect(stdout).toBe(smallTree['assets/app.js'])
})

test('a range requested by curl is that part of the whole', async () => {
  const url = `${store.url}/api/v1/artifacts/${ids['exact']}/archive.zip`
  const zip = await readFile(join(scratch, 'exact.zip'))
  const part = join(scratch, 'part')
  await curl(['-r', '1000-70999', '-o', part, url])
  expect((await readFile(part)).equals(zip.subarray(1000, 71_000))).toBe(true)
  await curl(['-r', '-22', '-o', part, url])
  expect((await readFile(part)).equals(zip.subarray(-22))).toBe(true)
})

test('unzip and tar extract exactly what was uploaded as a tar', async () => {
  const expected = await readDigests(join(scratch, 'root'))
  for (const [format, command, args] of [
    ['zip', 'unzip', ['-q']],
    ['tar.gz', 'tar', ['-xzf']],
  ] as const) {
    const file = join(scratch, `tree.${format}`)
    await curl(['-o', file, `${store.url}/api/v1/artifacts/${ids['tree']}/archive.${format}`])
    const out = await mkdtemp(join(scratch, 'out-'))
    await run(command, [...args, file], { cwd: out })
    expect(await readDigests(out)).toEqual(expected)
  }
})
