/** Each file system call fails once, in turn; what the local store then reports must be true. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { type WatchedFileSystem, watchFileSystem } from './watched-file-system.ts'
import { testDirectory } from '../temporary-directory.ts'

/** Runs the life cycle of two packs; returns what the store reported as durable and as removed, and
 *  its errors. */
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
    // Not random: two packs in one directory need fewer calls, so that the last would not fail.
    const sink = await attempt(() => store.create(`${turn}`.repeat(32)))
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
    // Recorded before the attempt: a removal that fails may have removed the pack.
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

/** Makes the `turn`-th call fail; returns that call, or undefined when there are fewer calls. */
async function checkFault(turn: number, { code, times }: Fault): Promise<string | undefined> {
  const root = testDirectory()
  const fileSystem = watchFileSystem({ root, transferBytesMax: 5 })
  fileSystem.failAt(turn, code, times)
  const outcome = await withStore(root, fileSystem, livePacks)
  for (const error of outcome.errors) checkError(error, code, fileSystem)
  if (times === 1) expect(outcome.errors.length).toBeLessThanOrEqual(1)
  expect(fileSystem.openFiles).toBe(0)

  // As the next process finds it.
  const store = await openLocalPackStore({ directory: root })
  const visible = new Map<string, string>()
  for await (const { name, sizeBytes } of store.list()) {
    visible.set(name, (await store.read(name, 0, sizeBytes)).toString())
  }
  for (const content of visible.values()) expect(content).toBe('first second')
  for (const name of outcome.sealed)
    expect(visible.has(name) || outcome.removed.includes(name)).toBe(true)
  await store.removeUnsealed(Number.POSITIVE_INFINITY)
  expect(await readdir(join(root, 'staging', 'packs'))).toEqual([])
  await store.close()
  return fileSystem.failedCall
}

/** Every failure must be translated as the port specifies, with its cause; any other is passed on
 *  unchanged. */
function checkError(error: unknown, code: string, { failedCall = '' }: WatchedFileSystem): void {
  const readsPack = /^(read|open-read) packs\/..\/.*zip$/.test(failedCall)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    expect(error).toMatchObject({ name: 'StoreError', code: 'storage_full', cause: { code } })
  } else if (code === 'EMFILE') {
    expect(error).toMatchObject({ name: 'StoreError', code: 'busy', cause: { code } })
  } else if (code === 'EIO' && readsPack) {
    expect(error).toMatchObject({ name: 'StoreError', code: 'blob_damaged', cause: { code } })
  } else {
    expect(error).toMatchObject({ name: 'StoreError', code: 'storage_failed', cause: { code } })
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
  const outcome = await use(store)
  await store.close()
  return outcome
}

for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE']) {
  test(`whatever call fails with ${code}: nothing sealed is lost or wrong, and nothing half is visible`, async () => {
    const failed = new Set<string>()
    for (let turn = 1; ; turn++) {
      const call = await checkFault(turn, { code, times: 1 })
      if (call === undefined) break
      failed.add(call.replace(/ .*/, ''))
    }
    // Every kind of call failed at least once, so the faults do reach them.
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

test('a disk that becomes full at some call loses nothing that was sealed', async () => {
  let turns = 0
  const fault = { code: 'ENOSPC', times: Number.POSITIVE_INFINITY }
  while ((await checkFault(turns + 1, fault)) !== undefined) turns++
  expect(turns).toBeGreaterThan(60)
})
