/** The package as programs see it: they can import `trove/client`, and nothing else of the
 *  client. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startSharedServer } from './shared-server.ts'
import { makeDirectory, makeTree } from './tree.ts'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../..', import.meta.url))

const { trove, token } = await startSharedServer()

/** Runs a module as part of a program that depends on this package. */
async function runModule(text: string): Promise<string> {
  const env = { ...process.env, TROVE_URL: trove.url, TROVE_TOKEN: token }
  const args = ['--input-type=module', '--eval', text]
  return (await run(process.execPath, args, { cwd: checkout, env })).stdout
}

async function programOfReadme(): Promise<string> {
  const readme = await readFile(join(checkout, 'README.md'), 'utf8')
  return /```js\n(import \{ createClient.*?)```/s.exec(readme)![1]!
}

test("the README's program uploads and downloads, and detects a taken name", async () => {
  const root = await makeDirectory({ 'src/a': 'one' })
  const program = `process.chdir(${JSON.stringify(root)})\n${await programOfReadme()}`
  expect(await runModule(program)).toBe('')
  expect(await readFile(join(root, 'fetched-src/a'), 'utf8')).toBe('one')
  await makeTree(root, { 'src/b': 'two' })
  expect(await runModule(program)).toMatch(/^artifact \d+ has that name\n$/)
})

test('other errors are distinguished by class', async () => {
  const told = await runModule(`
    import { createClient, FileError, NetworkError, StoreError } from 'trove/client'
    const { TROVE_URL: url, TROVE_TOKEN: token } = process.env
    const files = [{ absolutePath: '/nowhere', entryPath: 'a' }]
    const upload = { project: 'octo/demo', run: 3, name: 'a', source: { kind: 'files', files } }
    const failures = await Promise.all([
      createClient({ url, token }).upload(upload).catch((error) => error),
      createClient({ url, token }).retain(999_999, { pinned: true }).catch((error) => error),
      createClient({ url: 'http://127.0.0.1:1', token }).remove(1).catch((error) => error),
    ])
    const classes = [FileError, StoreError, NetworkError]
    console.log(failures.map((error, index) => error instanceof classes[index]).join())
  `)
  expect(told).toBe('true,true,true\n')
})

test('a download whose artifact is still being resolved can be aborted', async () => {
  const destination = join(await makeDirectory(), 'dest')
  const told = await runModule(`
    import { createClient } from 'trove/client'
    const stop = new AbortController()
    const artifact = new Promise(() => {})
    const options = { artifact, destination: ${JSON.stringify(destination)}, signal: stop.signal }
    const downloading = createClient({ url: process.env.TROVE_URL, token: null }).download(options)
    setTimeout(() => stop.abort(), 100)
    console.log(await downloading.catch((error) => error === stop.signal.reason))
  `)
  expect(told).toBe('true\n')
})

// A long-running program uses one signal for its whole life, so a call must not leave anything
// attached to it.
test('one signal serves any number of calls, even concurrently, without leaking', async () => {
  const root = await makeDirectory({ 'src/a': 'one' })
  const told = await runModule(`
    import { getEventListeners } from 'node:events'
    import { createClient } from 'trove/client'
    const { TROVE_URL: url, TROVE_TOKEN: token } = process.env
    process.on('warning', ({ message }) => console.log(message))
    process.chdir(${JSON.stringify(root)})
    const { signal } = new AbortController()
    const client = createClient({ url, token, cacheDir: null })
    const source = { kind: 'patterns', patterns: ['src'], directory: process.cwd() }
    const upload = { project: 'octo/demo', run: 4, name: 'a', source, jobs: 1, signal }
    const { artifact } = await client.upload(upload)
    const dozen = Array.from({ length: 12 }, (_, index) => String(index))
    await Promise.all(dozen.map((destination) =>
      client.download({ artifact, destination, jobs: 1, signal })))
    await Promise.all(dozen.map(() => client.retain(artifact.id, { pinned: true }, signal)))
    const followers = Object.getOwnPropertySymbols(signal)
      .find(({ description }) => description === 'kDependantSignals')
    console.log(getEventListeners(signal, 'abort').length, signal[followers]?.size ?? 0)
  `)
  expect(told).toBe('0 0\n')
})

test(
  'a strict TypeScript program can name all argument and result types',
  { timeout: 60_000 },
  async () => {
    const root = await makeDirectory()
    await mkdir(join(root, 'node_modules'))
    await symlink(checkout, join(root, 'node_modules/trove'))
    await writeFile(join(root, 'package.json'), '{"type":"module"}')
    await writeFile(join(root, 'program.ts'), typedProgram)
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
    const target = ['--target', 'es2022', '--module', 'node16']
    const types = ['--types', 'node', '--typeRoots', join(checkout, 'node_modules/@types')]
    const compiler = join(checkout, 'node_modules/.bin/tsc')
    const args = ['--noEmit', ...strict, ...target, ...types, 'program.ts']
    const told = await run(compiler, args, { cwd: root }).catch((error: unknown) => error)
    expect(told).toMatchObject({ stdout: '' })
  },
)

const typedProgram = `
import {
  AnswerError, type Client, type ClientOptions, createClient, type Digest, type DownloadOptions, type DownloadProgress,
  type DownloadResult, type ErrorCode, FileError, hasCode, type HolderOptions, type ListOptions, NetworkError, parseDigest,
  parseWireDigest, ProxyRefusal, type RetentionChange, StoreError, type UploadOptions, type UploadProgress,
  type UploadResult, type UploadSource, type WireArtifact, type WireBulkDeletion, type WireHolder,
} from 'trove/client'

const options: ClientOptions = { url: 'http://store.example.com', token: null, proxy: { url: 'http://proxy', setting: 'PROXY' } }
const client: Client = createClient(options)
const source: UploadSource = { kind: 'files', files: [{ absolutePath: '/a', entryPath: 'a' }] }
const signal = AbortSignal.timeout(1000)
const reportUpload = (progress: UploadProgress): void => console.log(progress.phase)
const reportDownload = (progress: DownloadProgress): void => console.log(progress.phase)
const upload: UploadOptions = { project: 'o/r', run: 1, name: 'a', source, signal, onProgress: reportUpload }
const listing: ListOptions = { project: 'o/r', state: 'any' }
const change: RetentionChange = { pinned: true }
const holding: HolderOptions = { project: null, signal }

try {
  const { artifact }: UploadResult = await client.upload(upload)
  const download: DownloadOptions = { artifact, destination: 'b', onProgress: reportDownload }
  const { planned }: DownloadResult = await client.download(download)
  const digest: Digest | undefined = parseDigest('00') ?? parseWireDigest(artifact.treeDigest)
  const holders: WireHolder[] = []
  for await (const holder of client.holders(digest!, holding)) holders.push(holder)
  const artifacts: WireArtifact[] = []
  for await (const each of client.list(listing)) artifacts.push(each)
  const { freedBytes }: WireBulkDeletion = await client.removeAll([artifact.id], { dryRun: true, signal })
  const kept: WireArtifact = await client.retain(artifact.id, change)
  console.log(planned?.write.length, freedBytes, kept.pinned)
} catch (error) {
  if (hasCode(error, 'name_taken')) {
    const id: number | null = error.details.artifactId
    console.log(id)
  } else if (error instanceof StoreError) {
    const code: ErrorCode = error.code
    console.log(code)
  } else if (error instanceof FileError) {
    console.log(error.path)
  } else if (error instanceof NetworkError || error instanceof AnswerError || error instanceof ProxyRefusal) {
    console.log(error.message)
  } else throw error
}
`
