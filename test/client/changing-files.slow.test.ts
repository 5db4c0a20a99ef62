/** Files that change, or may not be modified, while the client works on them. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import {
  appendFile,
  chmod,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type Client,
  createClient,
  type DownloadProgress,
  FileError,
} from '../../src/client/client.ts'
import { type FilePool, openFilePool } from '../../src/client/files/file-pool.ts'
import { uploadArtifact } from '../../src/client/upload/upload.ts'
import { partialName } from '../../src/client/download/partial-owner.ts'
import { builtUrl } from '../../src/program-files.ts'
import { startSeeingProxy } from './seeing-proxy.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from './tree.ts'

const run = promisify(execFile)

const server = await openClientServer()
const { token } = server
const direct = createClient({ url: server.url, token, cacheDir: null })

type Uploaded = Awaited<ReturnType<typeof uploadDirectory>>

const largeBytes = 400_000
const large = (seed: string): Buffer => pseudoRandom(largeBytes, seed)

describe('a large file that is touched after hashing and before cutting', () => {
  const touching = async (root: string, touch: () => Promise<void>): Promise<Client> => {
    await makeTree(root, { large: large(root) })
    const url = await startSeeingProxy(server.url, async (path) => {
      if (path.includes('/manifest')) await touch()
      return undefined
    })
    return createClient({ url, token, cacheDir: null })
  }

  test('fails the upload by name if it changed, with the same length or another', async () => {
    const root = await makeDirectory()
    const told = `${join(root, 'large')} changed during the upload`
    const growing = await touching(root, () => appendFile(join(root, 'large'), 'more'))
    await expect(uploadDirectory(growing, root)).rejects.toThrow(told)
    await rm(join(root, 'large'))
    const turning = await touching(root, () => writeFile(join(root, 'large'), large('other')))
    await expect(uploadDirectory(turning, root)).rejects.toThrow(told)
  })

  test('fails the upload by name if it changed while it was cut, without a sign in its stats', async () => {
    const root = await makeDirectory({ large: large('before'), small: 'small' })
    const pool = openFilePool(1)
    onTestFinished(pool.close)
    const run: FilePool['run'] = async (task, transfer) => {
      if (task.kind !== 'chunk') return await pool.run(task, transfer)
      const { size, mtimeMs, ctimeMs, ino } = await stat(task.path)
      await writeFile(task.path, large('after'))
      const cut = await pool.run(task)
      return { ...cut, stats: Float64Array.of(size, mtimeMs, ctimeMs, ino) }
    }
    const uploading = uploadArtifact({ url: server.url, token }, { ...pool, run }, null, {
      project: 'octo/demo',
      run: 2,
      name: 'cut',
      source: { kind: 'patterns', patterns: ['.'], directory: root },
      signal: new AbortController().signal,
    })
    await expect(uploading).rejects.toThrow(`${join(root, 'large')} changed during the upload`)
  })

  test('is sent if its content is the same', async () => {
    const root = await makeDirectory()
    const client = await touching(root, () => utimes(join(root, 'large'), 1, 1))
    expect((await uploadDirectory(client, root)).logicalBytes).toBe(largeBytes)
  })
})

/** What may replace a file. */
const others = {
  directory: async (path: string) => await mkdir(path),
  pipe: async (path: string) => await run('mkfifo', [path]),
  link: async (path: string) => await symlink(movedFrom(path), path),
}

/** Where the original file is moved to. */
function movedFrom(path: string): string {
  return `${dirname(path)}.moved`
}

test.each([
  ['directory', 'small', 'became a directory during the upload'],
  ['directory', 'large', 'became a directory during the upload'],
  ['pipe', 'small', 'cannot be read'],
  ['pipe', 'large', 'cannot be read'],
  ['link', 'small', 'became a symlink during the upload'],
  ['link', 'large', 'became a symlink during the upload'],
] as const)('a %s that replaces a %s file is reported by path', async (kind, name, told) => {
  const root = join(await makeDirectory(), 'tree')
  await makeTree(root, { large: large(root), small: root })
  const path = join(root, name)
  const url = await startSeeingProxy(server.url, async (request) => {
    if (!request.includes('/manifest')) return undefined
    await rename(path, movedFrom(path))
    await others[kind](path)
    return undefined
  })
  const client = createClient({ url, token, cacheDir: null })
  await expect(uploadDirectory(client, root)).rejects.toThrow(`${path} ${told}`)
})

test('a pipe chosen by the caller is rejected without waiting for it', async () => {
  const pipe = join(await makeDirectory(), 'pipe')
  await others.pipe(pipe)
  const files = [{ absolutePath: pipe, entryPath: 'pipe' }]
  const source = { kind: 'files', files } as const
  const uploading = direct.upload({ project: 'octo/demo', run: 1, name: 'pipe', source })
  await expect(uploading).rejects.toThrow(`${pipe} cannot be read`)
})

test.each([
  ['vanishes', undefined],
  ['becomes a directory', others.directory],
  ['becomes a pipe', others.pipe],
])('an older version of a large file that %s before it is used is ignored', async (_, make) => {
  const root = await makeDirectory({ large: Buffer.concat([large('a'), large('b')]) })
  const { artifact } = await uploadDirectory(direct, root)
  const back = await makeDirectory({ large: Buffer.concat([large('a'), large('c')]) })
  const url = await startSeeingProxy(server.url, async (path) => {
    if (!path.includes('/blobs/parts')) return undefined
    await rm(join(back, 'large'))
    await make?.(join(back, 'large'))
    return undefined
  })
  const client = createClient({ url, token, cacheDir: null })
  await client.download({ artifact, destination: back })
  expect(await describeTree(back)).toEqual(await describeTree(root))
})

test('of two concurrent downloads into one directory the second fails and the first is unharmed', async () => {
  const one = await makeDirectory({ one: large('one') })
  const two = await makeDirectory({ two: large('two') })
  const uploads = [await uploadDirectory(direct, one), await uploadDirectory(direct, two)] as const
  const back = await makeDirectory()
  let second: Promise<unknown> = Promise.resolve()
  const url = await startSeeingProxy(server.url, async (path) => {
    if (path.includes('/blobs/fetch'))
      second = direct.download({ artifact: uploads[1].artifact, destination: back }).catch(String)
    await second
    return undefined
  })
  const first = createClient({ url, token, cacheDir: null })
  await first.download({ artifact: uploads[0].artifact, destination: back })
  expect(await second).toContain(`${back} is in use by another download (process ${process.pid})`)
  expect(await describeTree(back)).toEqual(await describeTree(one))
})

test('a download whose partial root is removed fails without deleting, and the next one fetches the rest', async () => {
  const root = await makeDirectory(
    Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`${i}`, `of ${i}`])),
  )
  const { artifact } = await uploadDirectory(direct, root)
  const back = await makeDirectory({ extra: 'of DEST' })
  const made = join(back, partialName)
  let fetches = 0
  const url = await startSeeingProxy(server.url, async (path) => {
    fetches += path.includes('/blobs/fetch') ? 1 : 0
    if (fetches !== 2) return undefined
    const namesIn = async (): Promise<string[]> =>
      await readdir(made, { recursive: true }).catch(() => [])
    await expect
      .poll(async () => (await namesIn()).some((name) => /\/files\/\d+\/\d+$/.test(name)))
      .toBe(true)
    // The client goes on creating files in it.
    await rm(join(back, partialName), { recursive: true, maxRetries: 20, retryDelay: 5 })
    return undefined
  })
  const client = createClient({ url, token, cacheDir: null })
  const options = { artifact, destination: back, delete: true }
  await expect(client.download(options)).rejects.toThrow(
    `${join(back, partialName)} was removed during the download`,
  )
  expect(await readdir(back)).toContain('extra')
  await direct.download(options)
  expect(await describeTree(back)).toEqual(await describeTree(root))
})

test('an artifact with entries in the partial root is rejected before anything is changed', async () => {
  const root = await makeDirectory({ a: 'a', 'z/.trove-partial/x': 'x' })
  const files = ['a', '.trove-partial/x'].map((entryPath) => ({
    absolutePath: join(root, entryPath === 'a' ? 'a' : 'z/.trove-partial/x'),
    entryPath,
  }))
  const { artifact } = await uploadDirectory(direct, root, { source: { kind: 'files', files } })
  const back = await makeDirectory()
  const download = direct.download({ artifact, destination: back, delete: true })
  await expect(download).rejects.toMatchObject({ code: 'unsafe_path' })
  expect(await readdir(back)).toEqual([])
  await direct.download({ artifact, destination: back, paths: ['a'] })
  expect(await readdir(back)).toEqual(['a'])
})

test.each([{ delete: true }, { delete: false }])(
  'nothing is removed or written through a symlink that replaced a directory during the download (%o)',
  async (options) => {
    const root = await makeDirectory({ 'a/b/new': 'new', 'a/b/same': 'same' })
    const { artifact } = await uploadDirectory(direct, root)
    const [back, outside] = [await makeDirectory(), await makeDirectory()]
    for (const holder of [join(back, 'a'), outside])
      await makeTree(holder, { 'b/same': 'same', 'b/stale': 'stale' })
    const before = await describeTree(outside)
    const swap = ({ phase }: DownloadProgress): void => {
      if (phase !== 'placing' || existsSync(join(back, 'moved'))) return
      renameSync(join(back, 'a'), join(back, 'moved'))
      symlinkSync(outside, join(back, 'a'))
    }
    const download = direct.download({ artifact, destination: back, ...options, onProgress: swap })
    await expect(download).rejects.toThrow(
      `${join(back, 'a/b')} is no longer a directory: another program changed it`,
    )
    expect(await describeTree(outside)).toEqual(before)
  },
)

// On a file system that cannot distinguish two names of an artifact, the second one appears when
// the first is moved. A directory below DEST can be on such a file system.
test.each(['d/file', 'd/link', 'd/many/200'])(
  '%s is not replaced if it appeared during the download',
  async (path) => {
    const root = await makeDirectory()
    const many = Array.from({ length: 300 }, (_, i) => [`d/many/${i}`, `of ${i}`])
    await makeTree(root, { 'd/file': 'f', 'd/link': '-> file', ...Object.fromEntries(many) })
    const { artifact } = await uploadDirectory(direct, root)
    const back = await makeDirectory()
    await makeTree(back, { 'd/many/0': 'old' })
    const appear = ({ phase }: DownloadProgress): void => {
      if (phase === 'placing') writeFileSync(join(back, path), 'of another program')
    }
    const download = direct.download({ artifact, destination: back, onProgress: appear })
    await expect(download).rejects.toThrow(`${join(back, path)} appeared meanwhile`)
    expect(await readFile(join(back, path), 'utf8')).toBe('of another program')
    await direct.download({ artifact, destination: back })
    expect(await describeTree(back)).toEqual(await describeTree(root))
  },
)

test('a directory that replaced a file during the download keeps its files', async () => {
  const { artifact } = await uploadDirectory(direct, await makeDirectory({ a: 'new' }))
  const back = await makeDirectory({ a: 'old' })
  const swap = ({ phase }: DownloadProgress): void => {
    if (phase !== 'placing' || existsSync(join(back, 'a/mine'))) return
    rmSync(join(back, 'a'))
    mkdirSync(join(back, 'a'))
    writeFileSync(join(back, 'a/mine'), 'mine')
  }
  const download = direct.download({ artifact, destination: back, onProgress: swap })
  await expect(download).rejects.toThrow(`${join(back, 'a')} is a directory where the artifact has`)
  expect(await readFile(join(back, 'a/mine'), 'utf8')).toBe('mine')
  await direct.download({ artifact, destination: back, delete: true })
  expect(await readFile(join(back, 'a'), 'utf8')).toBe('new')
})

test('a directory of DEST that vanishes before its mode is set is reported by path', async () => {
  const root = await makeDirectory({ 'd/f': 'x' })
  const { artifact } = await uploadDirectory(direct, root)
  const back = await makeDirectory({ 'd/f': 'x' })
  await chmod(join(back, 'd'), 0o700)
  const vanish = ({ phase }: DownloadProgress): void => {
    if (phase === 'placing') rmSync(join(back, 'd'), { recursive: true, force: true })
  }
  const download = direct.download({ artifact, destination: back, onProgress: vanish })
  await expect(download).rejects.toBeInstanceOf(FileError)
  await expect(download).rejects.toThrow(join(back, 'd'))
})

test('two successive downloads of one process write large files into the same directory', async () => {
  const one = await makeDirectory({ one: large('one') })
  const two = await makeDirectory({ two: large('two') })
  const uploads = [await uploadDirectory(direct, one), await uploadDirectory(direct, two)]
  const back = await makeDirectory()
  for (const { artifact } of uploads) await direct.download({ artifact, destination: back })
  expect((await readdir(back)).toSorted()).toEqual(['one', 'two'])
})

describe('read-only files and directories', () => {
  /** Drops root's capability to ignore modes. */
  const trust = ['--bounding-set', '-dac_override,-dac_read_search,-fowner']
  const program = fileURLToPath(builtUrl('cli/main.ts'))
  const download = async ({ artifact }: Uploaded, ...args: string[]): Promise<string> => {
    const words = [process.execPath, program, 'download', `id:${artifact.id}`, ...args]
    const isRoot = process.getuid?.() === 0
    const child = spawn(
      isRoot ? 'setpriv' : words[0]!,
      isRoot ? [...trust, ...words] : words.slice(1),
      {
        env: {
          ...process.env,
          TROVE_URL: server.url,
          TROVE_TOKEN: token,
          TROVE_PROJECT: 'octo/demo',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    const told: Buffer[] = []
    child.stderr.on('data', (piece: Buffer) => told.push(piece))
    const [status] = (await once(child, 'close')) as [number]
    return `${status} ${status === 0 ? '' : Buffer.concat(told).toString()}`.trim()
  }

  test('equal read-only large files are each written', async () => {
    const root = await makeDirectory({ 'x/one': large('same'), 'y/two': large('same') })
    await chmod(join(root, 'x/one'), 0o444)
    await chmod(join(root, 'y/two'), 0o444)
    const uploaded = await uploadDirectory(direct, root)
    const back = join(await makeDirectory(), 'back')
    expect(await download(uploaded, back)).toBe('0')
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })

  test('are removed from read-only directories, which stay read-only', async () => {
    const root = await makeDirectory({ 'kept/file': 'x', 'kept/gone': 'y', 'gone/deep/file': 'z' })
    const modes = [
      ['kept', 0o555],
      ['gone/deep', 0o555],
      ['gone', 0o555],
    ] as const
    for (const [path, mode] of modes) await chmod(join(root, path), mode)
    const uploaded = await uploadDirectory(direct, root)
    const back = join(await makeDirectory(), 'back')
    expect(await download(uploaded, back)).toBe('0')
    for (const [path] of modes) await chmod(join(root, path), 0o755)
    await rm(join(root, 'kept/gone'))
    await rm(join(root, 'gone'), { recursive: true })
    await chmod(join(root, 'kept'), 0o555)
    expect(await download(await uploadDirectory(direct, root), back, '--delete')).toBe('0')
    expect(await describeTree(back)).toEqual(await describeTree(root))
  })
})

describe('an interruption does not wait for large files to be read', () => {
  /** A sparse file, which takes no disk but some seconds to hash. */
  const makeHuge = async (path: string): Promise<void> => {
    await writeFile(path, '')
    await truncate(path, 6 * 1024 ** 3)
  }
  /** Returns the milliseconds until `work` ends after it is aborted shortly after its start. */
  const interrupt = async (work: (signal: AbortSignal) => Promise<unknown>): Promise<number> => {
    const stop = new AbortController()
    const working = work(stop.signal)
    working.catch(() => {})
    await sleep(700)
    stop.abort()
    const begun = performance.now()
    await expect(working).rejects.toMatchObject({ name: 'AbortError' })
    return performance.now() - begun
  }
  const soonMs = 3000

  test('during an upload', async () => {
    const root = await makeDirectory()
    await makeHuge(join(root, 'huge'))
    const source = { kind: 'patterns', patterns: ['.'], directory: root } as const
    const offer = { project: 'octo/demo', run: 1, name: 'huge', source }
    const took = await interrupt((signal) => direct.upload({ ...offer, signal }))
    expect(took).toBeLessThan(soonMs)
  })

  test('during a download into a directory that holds them', async () => {
    const root = await makeDirectory({ huge: large('small') })
    const { artifact } = await uploadDirectory(direct, root)
    const destination = await makeDirectory()
    await makeHuge(join(destination, 'huge'))
    const took = await interrupt((signal) => direct.download({ artifact, destination, signal }))
    expect(took).toBeLessThan(soonMs)
  })
})
