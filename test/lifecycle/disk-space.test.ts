/** Room on the disk: when uploads are refused, and the reserve that allows cleaning up a full
 *  disk. The disk is simulated by a number; test/crash/full-disk.slow.test.ts uses a real one. */
import { stat, symlink } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type DiskSpace, openDiskSpace } from '../../src/lifecycle/disk-space.ts'
import { testDirectory } from '../temporary-directory.ts'

const MiB = 1024 * 1024
let directory: string
let freeBytes: number
let asked: number

beforeEach(async () => {
  directory = testDirectory()
  freeBytes = 10_000 * MiB
  asked = 0
})

async function openWith(
  minFreeBytes: number | null,
  totalBytes = 20_000 * MiB,
): Promise<DiskSpace> {
  const readDisk = async (): Promise<{ freeBytes: number; totalBytes: number }> => {
    asked += 1
    return { freeBytes, totalBytes }
  }
  return await openDiskSpace({ directory, minFreeBytes, readDisk })
}

async function reserveBytes(): Promise<number | undefined> {
  try {
    return (await stat(join(directory, 'reserve'))).size
  } catch {
    return undefined
  }
}

test('below the minimum an upload is refused, with both sizes and the setting', async () => {
  freeBytes = 99 * MiB
  const space = await openWith(100 * MiB)
  await expect(space.requireRoom()).rejects.toMatchObject({
    code: 'storage_full',
    message: expect.stringMatching(/99\.0 MiB free.*100\.0 MiB.*TROVE_MIN_FREE/),
    details: { neededBytes: MiB },
  })
  expect(await space.measure()).toMatchObject({ freeBytes: 99 * MiB, minFreeBytes: 100 * MiB })
})

test('at the minimum it is accepted, and the system is not asked for every request', async () => {
  freeBytes = 100 * MiB
  const space = await openWith(100 * MiB)
  const before = asked
  for (let turn = 0; turn < 100; turn++) await space.requireRoom()
  expect(asked - before).toBe(1)
})

test('a reading of the system is trusted for a second and no longer', async () => {
  const space = await openWith(100 * MiB)
  await space.requireRoom()
  freeBytes = 0
  await space.requireRoom()
  const at = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(at + 1001)
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  await expect(space.requireRoom()).rejects.toMatchObject({ code: 'storage_full' })
})

test('room that becomes free again is noticed at once', async () => {
  freeBytes = 99 * MiB
  const space = await openWith(100 * MiB)
  await expect(space.requireRoom()).rejects.toMatchObject({ code: 'storage_full' })
  freeBytes = 100 * MiB
  await space.requireRoom()
})

test('without a setting the minimum is 1 GiB, or a hundredth of a small disk', async () => {
  expect((await openWith(null, 10_000_000 * MiB)).minFreeBytes).toBe(1024 * MiB)
  expect((await openWith(null, 10_000 * MiB)).minFreeBytes).toBe(100 * MiB)
})

// Goal: bodies that arrive concurrently do not add up past the minimum between two of the rare
// readings of the disk. Method: each writer writes what it asked for a turn later, as if through a
// queue of the system.
test('many concurrent writers stop at the minimum, except for the piece that each has in flight', async () => {
  const space = await openWith(100 * MiB)
  freeBytes = 1000 * MiB
  const before = asked
  const pieceBytes = 64 * 1024
  const writers = 50
  const write = async (): Promise<void> => {
    for (;;) {
      await space.requireRoom(pieceBytes)
      await setImmediate()
      freeBytes -= pieceBytes
    }
  }
  for (const outcome of await Promise.allSettled(Array.from({ length: writers }, write)))
    expect(outcome).toMatchObject({ reason: { code: 'storage_full' } })
  expect(freeBytes).toBeGreaterThan(100 * MiB - writers * pieceBytes)
  expect(freeBytes).toBeLessThan(101 * MiB)
  expect(asked - before).toBeLessThan(400)
})

test('a minimum of zero disables the check', async () => {
  const space = await openWith(0)
  freeBytes = 0
  await expect(space.requireRoom(MiB)).resolves.toBeUndefined()
})

test('maintenance may write down to half of the minimum, so that it can free space when uploads may not write', async () => {
  freeBytes = 100 * MiB
  const space = await openWith(100 * MiB)
  expect([await space.hasRoom(50 * MiB), await space.hasRoom(50 * MiB + 1)]).toEqual([true, false])
})

test('a reserve is kept, deleted when the disk is nearly full, and restored when there is room', async () => {
  const space = await openWith(4 * MiB)
  expect(await reserveBytes()).toBe(MiB)
  expect((await stat(join(directory, 'reserve'))).blocks * 512).toBeGreaterThanOrEqual(MiB)

  freeBytes = 3 * MiB
  await space.makeRoom()
  expect(await reserveBytes()).toBe(MiB)
  freeBytes = MiB - 1
  for (let turn = 0; turn < 2; turn++) {
    await space.makeRoom()
    expect(await reserveBytes()).toBeUndefined()
  }

  freeBytes = 5 * MiB - 1
  await space.restoreReserve()
  expect(await reserveBytes()).toBeUndefined()
  freeBytes = 5 * MiB
  await space.restoreReserve()
  expect(await reserveBytes()).toBe(MiB)

  // One that is there is not written again.
  const before = asked
  await space.restoreReserve()
  expect(asked).toBe(before)
})

// Goal: a disk quota, or other writers, may refuse what the system counts as free.
// Method: the reserve is a device that accepts no writes, while the disk reports room.
test('a reserve that cannot be written is left out', async () => {
  await symlink('/dev/full', join(directory, 'reserve'))
  await (await openWith(4 * MiB)).requireRoom()
  expect(await reserveBytes()).toBeUndefined()
})
