/** Every file system call that a backup makes fails once. */
import { copyFile, link, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { watchFileSystem } from '../packs/watched-file-system.ts'
import {
  exists,
  expectWhole,
  newDestination,
  onAnotherDisk,
  openFilled,
  runBackup,
} from './backup-rig.ts'

test.each(['EIO', 'ENOENT'])(
  'a backup beside an earlier one, in which any one call fails with %s, is whole or can be repeated',
  async (code) => {
    const filled = await onAnotherDisk()
    let linked = 0
    for (let turn = 1; ; turn++) {
      const destination = await newDestination()
      const earlier = join(dirname(destination), 'earlier')
      await runBackup(filled, earlier)
      const watched = watchFileSystem({ root: dirname(destination) })
      const fileSystem = { ...watched, copyFile, link }
      watched.failAt(turn, code, 1)
      const outcome = await runBackup(filled, destination, { fileSystem }).catch(
        (error: unknown) => error as Error,
      )
      if (!(outcome instanceof Error)) linked += outcome.linkedPacks
      if (watched.failedCall === undefined) break
      if (outcome instanceof Error && !(await exists(destination)))
        await runBackup(filled, destination)
      await rm(earlier, { recursive: true })
      await expectWhole(destination, filled.zips)
    }
    expect(linked).toBeGreaterThan(2)
  },
)

test.each(['EIO', 'ENOSPC'])(
  'a backup in which any one call fails with %s leaves nothing visible, and can be repeated',
  async (code) => {
    const filled = await openFilled()
    const failed = new Set<string>()
    for (let turn = 1; ; turn++) {
      const destination = await newDestination()
      const watched = watchFileSystem({ root: destination })
      const fileSystem = { ...watched, copyFile }
      watched.failAt(turn, code, 1)
      const outcome = await runBackup(filled, destination, { copies: true, fileSystem }).catch(
        (error: unknown) => error as Error,
      )
      if (watched.failedCall === undefined) break
      failed.add(
        watched.failedCall.replaceAll(/[0-9a-f]{32}|[0-9a-f]{16}|\/[0-9a-f]{2}(?=\/|$)/g, '…'),
      )
      const wasRenamed = await exists(destination)
      if (outcome instanceof Error && !wasRenamed)
        await runBackup(filled, destination, { copies: true })
      // If the failure comes after the rename, only durability may be in doubt.
      if (outcome instanceof Error && wasRenamed) expect(watched.failedCall).toContain(' ..')
      await expectWhole(destination, filled.zips)
      expect(await readdir(join(destination, 'cas', 'staging', 'packs'))).toEqual([])
    }
    expect([...failed].map((call) => call.split(' ')[0])).toEqual(
      expect.arrayContaining([
        'open-create',
        'write',
        'sync',
        'read',
        'rename',
        'mkdir',
        'readdir',
      ]),
    )
  },
)
