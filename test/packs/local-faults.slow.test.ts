/** Every call of the file system fails once, in turn: what the local store then says is true. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLocalPackStore } from '../../src/packs/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { makeTempDirectory } from './temp-directory.ts'
import { type WatchedFileSystem, watchFileSystem } from './watched-file-system.ts'

/** The life of two packs; answers what the store said was durable, removed, and what it refused. */
async function livePacks(
  store: PackStore,
): Promise<{ sealed: string[]; removed: string[]; errors: unknown[] }> {
  const sealed: string[] = []
  const removed: string[] = []
  const errors: unknown[] = []
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work()
    } catch (error) {
      errors.push(error)
      return undefined
    }
  }
  for (let turn = 0; turn < 2; turn++) {
    const sink = await attempt(() => store.create())
    if (sink === undefined) continue
    const pack = await attempt(async () => {
      await sink.write(Buffer.from('first '))
      await sink.write(Buffer.from('second'))
      return await sink.seal()
    })
    if (pack === undefined) {
      await sink.abort()
      continue
    }
    sealed.push(pack.name)
    const bytes = await attempt(() => store.read(pack.name, 0, 12))
    if (bytes !== undefined) expect(bytes.toString()).toBe('first second')
  }
  await attempt(async () => {
    for await (const { sizeBytes } of store.list()) expect(sizeBytes).toBe(12)
  })
  const [first] = sealed
  if (first !== undefined) {
    // Claimed before it is tried: a removal that fails may have removed.
    removed.push(first)
    await attempt(() => store.remove(first))
  }
  await attempt(() => store.removeUnsealed(0))
  return { sealed, removed, errors }
}

interface Fault {
  code: string
  times: number
}

/** Lets the `turn`-th call fail; answers the call, or undefined when there are not so many. */
async function checkFault(turn: number, { code, times }: Fault): Promise<string | undefined> {
  const root = await makeTempDirectory()
  const fileSystem = watchFileSystem({ root, transferBytesMax: 5 })
  fileSystem.failAt(turn, code, times)
  const told = await withStore(root, fileSystem, livePacks)
  for (const error of told.errors) checkError(error, code, fileSystem)
  if (times === 1) expect(told.errors.length).toBeLessThanOrEqual(1)
  expect(fileSystem.openFiles).toBe(0)

  // As the next process finds it.
  const store = await openLocalPackStore({ directory: root })
  const visible = new Map<string, string>()
  for await (const { name, sizeBytes } of store.list()) {
    visible.set(name, (await store.read(name, 0, sizeBytes)).toString())
  }
  for (const content of visible.values()) expect(content).toBe('first second')
  for (const name of told.sealed)
    expect(visible.has(name) || told.removed.includes(name)).toBe(true)
  await store.removeUnsealed(Number.POSITIVE_INFINITY)
  expect(await readdir(join(root, 'staging', 'packs'))).toEqual([])
  await store.close()
  return fileSystem.failedCall
}

/** Every failure is told as the port says, with its cause, and those it has no word for as they are. */
function checkError(error: unknown, code: string, { failedCall = '' }: WatchedFileSystem): void {
  const readsPack = /^(read|open-read) packs\/..\/.*zip$/.test(failedCall)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    expect(error).toMatchObject({ name: 'StoreError', code: 'storage_full', cause: { code } })
  } else if (code === 'EMFILE') {
    expect(error).toMatchObject({ name: 'StoreError', code: 'busy', cause: { code } })
  } else if (code === 'EIO' && readsPack) {
    expect(error).toMatchObject({ name: 'StoreError', code: 'blob_damaged', cause: { code } })
  } else {
    expect(error).toMatchObject({ name: 'Error', code })
  }
}

async function withStore(
  directory: string,
  fileSystem: WatchedFileSystem,
  use: (store: PackStore) => ReturnType<typeof livePacks>,
): ReturnType<typeof livePacks> {
  let store: PackStore
  try {
    store = await openLocalPackStore({ directory, fileSystem })
  } catch (error) {
    return { sealed: [], removed: [], errors: [error] }
  }
  const told = await use(store)
  await store.close()
  return told
}

for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE']) {
  test(`whatever call fails with ${code}: nothing sealed is lost or wrong, and nothing half is visible`, async () => {
    const failed = new Set<string>()
    for (let turn = 1; ; turn++) {
      const call = await checkFault(turn, { code, times: 1 })
      if (call === undefined) break
      failed.add(call.replace(/ .*/, ''))
    }
    // Every sort of call was made to fail, so faults do reach them.
    const sorts = [
      'mkdir',
      'open-create',
      'open-read',
      'read',
      'readdir',
      'rename',
      'stat',
      'sync',
      'unlink',
      'write',
    ]
    expect([...failed].toSorted()).toEqual(['close', ...sorts])
  })
}

test('a disk that is full from some call on loses nothing that was sealed', async () => {
  let turns = 0
  const fault = { code: 'ENOSPC', times: Number.POSITIVE_INFINITY }
  while ((await checkFault(turns + 1, fault)) !== undefined) turns++
  expect(turns).toBeGreaterThan(60)
})
