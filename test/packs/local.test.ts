import assert from 'node:assert'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { packStoreContract } from './pack-store-contract.ts'
import { watchFileSystem } from './watched-file-system.ts'
import { testDirectory } from '../temporary-directory.ts'

packStoreContract('local', async () => {
  const directory = join(await mkdtemp(join(tmpdir(), 'trove-packs-')), 'cas')
  return {
    store: await openLocalPackStore({ directory }),
    reopen: async () => await openLocalPackStore({ directory }),
    dispose: async () => await rm(join(directory, '..'), { recursive: true }),
  }
})

packStoreContract('local, on a file system with short reads and writes', async () => {
  const root = await mkdtemp(join(tmpdir(), 'trove-packs-'))
  const fileSystem = watchFileSystem({ root, transferBytesMax: 65_000 })
  return {
    store: await openLocalPackStore({ directory: root, fileSystem }),
    reopen: async () => await openLocalPackStore({ directory: root, fileSystem }),
    dispose: async () => {
      assert.equal(fileSystem.openFiles, 0)
      await rm(root, { recursive: true })
    },
  }
})

async function sealOne(store: PackStore, content = 'content'): Promise<string> {
  const sink = await store.create()
  await sink.write(Buffer.from(content))
  return (await sink.seal()).name
}

// A killed process keeps its page cache, so only the order of calls shows what survives a power
// loss.
test('a pack is synced, renamed into a durable directory, and that directory synced, in this order', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const steps: string[] = []
  const store = await openLocalPackStore({
    directory: root,
    fileSystem,
    checkpoint: (step) => {
      steps.push(step)
      fileSystem.calls.push(`-- ${step}`)
    },
  })
  const sink = await store.create()
  await sink.write(Buffer.from('content'))
  fileSystem.calls.length = 0
  await sink.seal()
  const fanOut = `packs/${sink.name.slice(0, 2)}`
  const durable = fileSystem.calls.filter((call) => !/^(open|close)/.test(call))
  expect(durable).toEqual([
    '-- pack-written',
    `sync staging/packs/${sink.name}.zip`,
    '-- pack-synced',
    `mkdir ${fanOut}`,
    'sync packs',
    `rename ${fanOut}/${sink.name}.zip`,
    '-- pack-renamed',
    `sync ${fanOut}`,
    '-- pack-directory-synced',
  ])
  expect(steps).toEqual(['pack-written', 'pack-synced', 'pack-renamed', 'pack-directory-synced'])
  expect(fileSystem.overlapping).toEqual([])
  expect(fileSystem.openFiles).toBe(0)
  await store.close()
})

test('a seal renames only after a directory that another seal is creating is durable', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  // 300 packs at once: many share their first two characters.
  const sinks = await Promise.all(Array.from({ length: 300 }, () => store.create()))
  fileSystem.calls.length = 0
  await Promise.all(sinks.map((sink) => sink.seal()))
  const { calls } = fileSystem
  const made = calls.filter((call) => call.startsWith('mkdir'))
  expect(new Set(made).size).toBe(made.length)
  expect(made.length).toBeLessThan(300)
  for (const { name } of sinks) {
    const fanOut = `packs/${name.slice(0, 2)}`
    const renamedAt = calls.indexOf(`rename ${fanOut}/${name}.zip`)
    const madeAt = calls.indexOf(`mkdir ${fanOut}`)
    expect(calls.slice(madeAt, renamedAt)).toContain('sync packs')
    expect(calls.slice(renamedAt)).toContain(`sync ${fanOut}`)
  }
  await store.close()
})

// A second sync may succeed although the first has lost bytes (fsync(2), ERRORS).
test('a seal that failed at any call is not repeated, and its abort leaves nothing', async () => {
  const failed: string[] = []
  for (;;) {
    const root = testDirectory()
    const fileSystem = watchFileSystem({ root })
    const store = await openLocalPackStore({ directory: root, fileSystem })
    const sink = await store.create()
    await sink.write(Buffer.from('content'))
    fileSystem.failAt(failed.length + 1, 'EIO', 1)
    const sealing = sink.seal()
    const outcome = await sealing.catch((error: unknown) => error)
    if (fileSystem.failedCall === undefined) break
    failed.push(fileSystem.failedCall.replace(/ .*/, ''))
    expect(outcome).toMatchObject({ code: 'storage_failed' })
    await expect(sink.seal()).rejects.toThrow(/which is failed/)
    await expect(sink.write(Buffer.from('more'))).rejects.toThrow(/which is failed/)
    await sink.abort()
    // Later calls begin after all those of the abort: another pack may have the same name.
    await fileSystem.stat(root)
    expect(fileSystem.overlapping).toEqual([])
    expect((await readdir(root, { recursive: true })).filter((file) => /zip/.test(file))).toEqual(
      [],
    )
    expect(fileSystem.openFiles).toBe(0)
    await store.close()
  }
  expect(failed.filter((call) => call === 'sync').length).toBe(3)
  expect(failed).toContain('rename')
})

test('a pack is sealed although its directory could not be made for an earlier one', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const [first, second] = [
    await store.create('a'.repeat(32)),
    await store.create(`${'a'.repeat(31)}b`),
  ]
  fileSystem.failAt(3, 'ENOSPC', 1)
  await expect(first.seal()).rejects.toMatchObject({ code: 'storage_full' })
  expect(fileSystem.failedCall).toBe('mkdir packs/aa')
  await first.abort()
  await second.seal()
  expect(await store.read(second.name, 0, 0)).toEqual(Buffer.alloc(0))
  await store.close()
})

test('a removal is durable when it resolves', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const name = await sealOne(store)
  const fanOut = `packs/${name.slice(0, 2)}`
  for (const turn of ['first', 'second']) {
    fileSystem.calls.length = 0
    await store.remove(name)
    expect(fileSystem.calls, turn).toEqual([
      `unlink ${fanOut}/${name}.zip`,
      `open-read ${fanOut}`,
      `sync ${fanOut}`,
      `close ${fanOut}`,
    ])
  }
  expect(fileSystem.overlapping).toEqual([])
  await store.close()
})

test('a new directory is durable before its format file, which is written only once', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const directory = join(root, 'data', 'cas')
  await (await openLocalPackStore({ directory, fileSystem })).close()
  const effects = fileSystem.calls
    .filter((call) => /^(mkdir|sync|rename)/.test(call))
    .map((call) => call.replace(/format-[0-9a-f]+/, 'format-*'))
  expect(effects).toEqual([
    'mkdir data/cas',
    'mkdir data',
    'sync .',
    'mkdir data/cas',
    'sync data',
    'mkdir data/cas/packs',
    'sync data/cas',
    'mkdir data/cas/staging/packs',
    'mkdir data/cas/staging',
    'sync data/cas',
    'mkdir data/cas/staging/packs',
    'sync data/cas/staging',
    'sync data/cas/staging/packs/format-*',
    'rename data/cas/format',
    'sync data/cas',
  ])
  expect(await readFile(join(directory, 'format'), 'latin1')).toBe('trove-cas 1\n')
  fileSystem.calls.length = 0
  await (await openLocalPackStore({ directory, fileSystem })).close()
  expect(fileSystem.calls.filter((call) => /^(rename|write)/.test(call))).toEqual([])
  expect(fileSystem.overlapping).toEqual([])
  expect(fileSystem.openFiles).toBe(0)
})

test('a directory with another format is rejected and left unchanged', async () => {
  const directory = testDirectory()
  await writeFile(join(directory, 'format'), 'trove-cas 2\n')
  await expect(openLocalPackStore({ directory })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringMatching(/"trove-cas 2\\n".*only "trove-cas 1\\n"/),
  })
  expect(await readdir(directory)).toEqual(['format'])
})

test('packs without a format file are rejected', async () => {
  const directory = testDirectory()
  const store = await openLocalPackStore({ directory })
  await sealOne(store)
  await store.close()
  await rm(join(directory, 'format'))
  await expect(openLocalPackStore({ directory })).rejects.toThrow(/has packs but no file "format"/)
})

test('files that are not packs are neither listed nor changed', async () => {
  const directory = testDirectory()
  const store = await openLocalPackStore({ directory })
  const name = await sealOne(store)
  await mkdir(join(directory, 'packs', 'lost+found'))
  await writeFile(join(directory, 'packs', name.slice(0, 2), 'notes.txt'), 'x')
  await writeFile(join(directory, 'packs', name.slice(0, 2), `${name}.zip.tmp`), 'x')
  const other = join(directory, 'packs', name.startsWith('00') ? '01' : '00')
  await mkdir(other)
  await writeFile(join(other, `${name}.zip`), 'x')
  const listed: string[] = []
  for await (const pack of store.list()) listed.push(pack.name)
  expect(listed).toEqual([name])
  await store.close()
})

test('a pack that is removed while its directory is read is not listed', async () => {
  const store = await openLocalPackStore({ directory: testDirectory() })
  const names = ['0', '1', '2'].map((last) => last.padStart(32, '0'))
  for (const name of names) await (await store.create(name)).seal()
  const listed: string[] = []
  for await (const { name } of store.list()) {
    listed.push(name)
    await Promise.all(names.filter((other) => other !== name).map((other) => store.remove(other)))
  }
  expect(listed).toHaveLength(1)
  await store.close()
})

test.each(['stat', 'unlink'] as const)(
  'a pack that is sealed before the %s of its removal as unsealed is kept, and the others are removed',
  async (call) => {
    const root = testDirectory()
    const fileSystem = watchFileSystem({ root })
    let sealing: Promise<unknown> | undefined
    const racing = {
      ...fileSystem,
      [call]: async (path: string) => {
        sealing ??= sink.seal()
        await sealing
        return await fileSystem[call](path)
      },
    }
    const store = await openLocalPackStore({ directory: root, fileSystem: racing })
    const sink = await store.create('0'.repeat(32))
    await sink.write(Buffer.from('kept'))
    await writeFile(join(root, 'staging', 'packs', 'left'), '')
    expect(await store.removeUnsealed(Infinity)).toBe(1)
    expect(await store.read(sink.name, 0, 4)).toEqual(Buffer.from('kept'))
    expect(await readdir(join(root, 'staging', 'packs'))).toEqual([])
    await store.close()
  },
)

// Only then does healing look for another copy.
test('what the medium cannot read is damage of this pack, once', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const name = await sealOne(store)
  await store.read(name, 0, 7)
  fileSystem.failAt(1, 'EIO', 1)
  await expect(store.read(name, 0, 7)).rejects.toMatchObject({ code: 'blob_damaged' })
  expect(await store.read(name, 0, 7)).toEqual(Buffer.from('content'))
  await store.close()
})

test('open files stay within their bound, and more packs than that can be read', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const count = limits.packHandlesMax + 30
  const names: string[] = []
  for (let index = 0; index < count; index++) names.push(await sealOne(store, `pack ${index}`))
  for (let turn = 0; turn < 2; turn++) {
    await Promise.all(names.map((name) => store.read(name, 0, 4)))
    for (const [index, name] of names.entries()) {
      const bytes = await store.read(name, 5, `${index}`.length)
      expect(bytes.toString()).toBe(`${index}`)
    }
    await settled(() => fileSystem.openFiles <= limits.packHandlesMax)
  }
  fileSystem.calls.length = 0
  for (let turn = 0; turn < 3; turn++) await store.read(names.at(-1)!, 0, 1)
  expect(fileSystem.calls.filter((call) => call.startsWith('open'))).toEqual([])
  await store.close()
  expect(fileSystem.openFiles).toBe(0)
})

/** Yields to the event loop until `condition`, which work in flight will fulfil. */
async function settled(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(condition()).toBe(true)
}

test('a removed pack is closed once the last read has ended', async () => {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const name = await sealOne(store)
  const reads = [store.read(name, 0, 7), store.read(name, 0, 7)]
  await store.remove(name)
  for (const bytes of await Promise.all(reads)) expect(bytes.toString()).toBe('content')
  await settled(() => fileSystem.openFiles === 0)
  await store.close()
})

// Each thread has its own store, and the disk keeps a removed file's bytes while anybody has it
// open.
test('a pack that was removed through another store is closed after a while', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root })
  const store = await openLocalPackStore({ directory: root, fileSystem })
  const other = await openLocalPackStore({ directory: root })
  const name = await sealOne(other)
  await store.read(name, 0, 7)
  await other.remove(name)
  vi.advanceTimersByTime(2 * limits.packHandleIdleMs)
  await settled(() => fileSystem.openFiles === 0)
  await expect(store.read(name, 0, 7)).rejects.toMatchObject({ code: 'not_found' })
  await store.close()
  await other.close()
})
