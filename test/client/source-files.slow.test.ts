/** Files that cannot be read, disappear, or change during an upload; and what the stat cache may
 *  trust. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFile,
  open as openFile,
  readdir,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Client, createClient, type UploadProgress } from '../../src/client/client.ts'
import { readStatCache } from '../../src/client/upload/stat-cache.ts'
import { startSharedServer } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

const run = promisify(execFile)

const { trove, token } = await startSharedServer()
let lastRun = 0

async function upload(
  directory: string,
  {
    cacheDir = null,
    onProgress,
    ...more
  }: {
    cacheDir?: string | null
    onProgress?: (progress: UploadProgress) => void
    symlinks?: 'keep' | 'follow'
    exclude?: string[]
  } = {},
): ReturnType<Client['upload']> {
  lastRun += 1
  return await createClient({ url: trove.url, token, cacheDir }).upload({
    project: 'octo/demo',
    run: lastRun,
    name: 'build',
    source: { kind: 'patterns', patterns: ['.'], directory, ...more },
    ...(onProgress !== undefined && { onProgress }),
  })
}

/** Calls `act` once, when sending begins: after files were hashed and before they are read
 *  again. */
function beforeSending(act: () => Promise<void>): (progress: UploadProgress) => void {
  let acted = false
  return ({ phase, totalBytes }) => {
    if (acted || phase !== 'sending' || totalBytes === 0) return
    acted = true
    void act()
  }
}

describe('an upload reports by path a file that', () => {
  test('cannot be read', async () => {
    const root = await makeDirectory({ fine: 'f', 'sub/memory': '-> /proc/self/mem' })
    await expect(upload(root, { symlinks: 'follow' })).rejects.toMatchObject({
      name: 'FileError',
      // The target of the followed symlink.
      path: `/proc/${process.pid}/mem`,
      message: expect.stringMatching(/\/mem cannot be read: .*EIO/) as string,
    })
  })

  test('disappeared after the walk', async () => {
    const root = await makeDirectory()
    const source = { absolutePath: join(root, 'gone'), entryPath: 'gone' }
    const client = createClient({ url: trove.url, token, cacheDir: null })
    const files = { kind: 'files', files: [source] } as const
    await expect(
      client.upload({ project: 'octo/demo', run: 1, name: 'x', source: files }),
    ).rejects.toThrow(`${join(root, 'gone')} disappeared during the upload`)
  })

  test.each([
    ['disappears', async (file: string) => await unlink(file), /disappeared/],
    ['becomes shorter', async (file: string) => await truncate(file, 10), /changed/],
    [
      'is written to',
      async (file: string) => await writeFile(file, randomBytes(50_000)),
      /changed/,
    ],
  ])('%s between hashing and sending, and creates no artifact', async (_, act, message) => {
    // Enough files before it that it is not read at once.
    const others = Array.from({ length: 400 }, (_each, index) => [
      `a/${index}`,
      randomBytes(50_000),
    ])
    const root = await makeDirectory({
      ...Object.fromEntries(others),
      'z/last': randomBytes(50_000),
    })
    const file = join(root, 'z/last')
    const outcome = upload(root, {
      onProgress: beforeSending(async () => {
        await act(file)
      }),
    })
    await expect(outcome).rejects.toMatchObject({
      name: 'FileError',
      path: file,
      message: expect.stringMatching(message) as string,
    })
    const client = createClient({ url: trove.url, token, cacheDir: null })
    for await (const { run: held } of client.list({ project: 'octo/demo' }))
      expect(held).not.toBe(lastRun)
  })

  test('is a socket or a pipe, unless it is excluded', async () => {
    const root = await makeDirectory({ fine: 'f' })
    await run('mkfifo', [join(root, 'pipe')])
    await expect(upload(root)).rejects.toMatchObject({
      code: 'unsupported_entry',
      message: expect.stringContaining(
        `${join(root, 'pipe')} is a pipe, which an artifact cannot hold; exclude it`,
      ) as string,
    })
    await unlink(join(root, 'pipe'))
    const socket = createServer().listen(join(root, 'socket'))
    onTestFinished(() => {
      socket.close()
    })
    await expect(upload(root)).rejects.toThrow(/socket is a socket/)
    expect(await upload(root, { exclude: ['socket'] })).toMatchObject({ files: 1 })
  })
})

describe('the stat cache', () => {
  test('keeps settled files, but not files modified as recently as they were examined', async () => {
    const cacheDir = await makeDirectory()
    const root = await makeDirectory({ old: 'settled', young: 'young' })
    await sleep(200)
    const soon = Date.now() / 1000 + 60
    await utimes(join(root, 'young'), soon, soon)
    await upload(root, { cacheDir })
    const [name = ''] = await readdir(join(cacheDir, 'stat'))
    const cache = (await readStatCache(join(cacheDir, 'stat', name)))!
    expect(cache.text.toString()).toMatch(/^f .* old\nf .* young\n$/)
    expect([0, 4].map((at) => Number.isNaN(cache.stats[at]))).toEqual([false, true])
  })

  // The worst case: same size, same inode, and a clock whose ticks are longer than an upload.
  test('never treats a file as unchanged that was rewritten right after it was hashed', async () => {
    const root = await makeDirectory()
    const cacheDir = await makeDirectory()
    const file = join(root, 'f')
    const digests = new Set<string>()
    for (let round = 0; round < 12; round++) {
      await writeFile(file, `round ${String(round).padStart(4, '0')}`)
      const { artifact } = await upload(root, { cacheDir })
      digests.add(artifact.treeDigest)
    }
    expect(digests.size).toBe(12)
  })

  test('detects a change made while a large file is read, even when its mtime is reset', async () => {
    const root = await makeDirectory()
    const cacheDir = await makeDirectory()
    const file = join(root, 'f')
    // The part that is read first is changed later; a sparse file takes no disk.
    await writeFile(file, 'one')
    await truncate(file, 1024 ** 3)
    await utimes(file, 1_600_000_000.5, 1_600_000_000.5)
    const client = createClient({ url: trove.url, token, cacheDir: null })
    const source = { kind: 'patterns', patterns: ['.'], directory: root } as const
    await client.upload({ project: 'octo/demo', run: 1, name: 'one', source })
    const caching = createClient({ url: trove.url, token, cacheDir })
    const uploading = caching.upload({ project: 'octo/demo', run: 1, name: 'two', source })
    await sleep(500)
    const open = await openFile(file, 'r+')
    await open.write('two', 0)
    await open.close()
    await utimes(file, 1_600_000_000.5, 1_600_000_000.5)
    await uploading
    const third = await caching.upload({ project: 'octo/demo', run: 1, name: 'three', source })
    const honest = await client.upload({ project: 'octo/demo', run: 1, name: 'four', source })
    expect(third.artifact.treeDigest).toBe(honest.artifact.treeDigest)
  })

  test('detects a change that keeps size and modification time', async () => {
    const root = await makeDirectory()
    const cacheDir = await makeDirectory()
    const file = join(root, 'f')
    const write = async (content: string): Promise<void> => {
      await writeFile(file, content)
      await utimes(file, 1_600_000_000.5, 1_600_000_000.5)
    }
    await write('one')
    const before = await upload(root, { cacheDir })
    await write('two')
    const after = await upload(root, { cacheDir })
    expect(after.artifact.treeDigest).not.toBe(before.artifact.treeDigest)
  })

  test('that is damaged costs time but changes nothing', async () => {
    const cacheDir = await makeDirectory()
    const root = await makeDirectory({ f: 'content' })
    await utimes(join(root, 'f'), 1_600_000_000.5, 1_600_000_000.5)
    const before = await upload(root, { cacheDir })
    const [name = ''] = await readdir(join(cacheDir, 'stat'))
    await appendFile(join(cacheDir, 'stat', name), 'garbage')
    const after = await upload(root, { cacheDir })
    expect(after.artifact.treeDigest).toBe(before.artifact.treeDigest)
  })

  test('that cannot be written is no failure', async () => {
    const root = await makeDirectory({ f: 'content' })
    expect(await upload(root, { cacheDir: '/dev/null/none' })).toMatchObject({ files: 1 })
  })
})
