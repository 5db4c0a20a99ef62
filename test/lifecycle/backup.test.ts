/** Backups of a store on disk: their contents, what they refuse, and how they resume. */
import { randomBytes } from 'node:crypto'
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { blobDamaged } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import {
  type PackFile,
  type PackFileSystem,
  nodeFileSystem,
} from '../../src/packs/local/file-system.ts'
import { noise } from '../actions/archives.ts'
import { type TestStore, zipOf } from '../ingest/open-store.ts'
import { testDirectory } from '../temporary-directory.ts'
import {
  exists,
  type Filled,
  expectWhole,
  newDestination,
  onAnotherDisk,
  openFilled,
  runBackup,
} from './backup-rig.ts'
import { watchFileSystem } from '../packs/watched-file-system.ts'
import { collectNow, day, scrubNow } from './collection.ts'
import { flipByte, packPaths, spoil } from './stored-bytes.ts'

/** Uploads more packs than a crash can leave without a row. */
async function uploadMany({ putTar }: TestStore): Promise<void> {
  for (let number = 0; number <= limits.unknownPacksMax; number++) {
    await putTar(`new-${number}`, { 'new.txt': `new ${number}` })
  }
}

/** Begins a backup, and stops it before it gets its name. */
async function interrupt(
  filled: Filled,
  destination: string,
  options: { copies: boolean },
): Promise<void> {
  const stopped = runBackup(filled, destination, {
    ...options,
    checkpoint: (step) => {
      if (step === 'backup-packs-brought') throw new Error('stopped')
    },
  })
  await expect(stopped).rejects.toThrow('stopped')
}

async function packNames(directory: string): Promise<string[]> {
  return (await packPaths(join(directory, 'cas'))).map((path) => basename(path)).toSorted()
}

/** The files and directories that may have lost something in a power loss after these calls. */
function unsynced(calls: readonly string[]): string[] {
  const dirty = new Set<string>()
  for (const call of calls) {
    const [kind, path] = call.split(' ') as [string, string]
    if (kind === 'sync') dirty.delete(path)
    else if (kind === 'write') dirty.add(path)
    else if (/^(mkdir|open-create|rename)$/.test(kind)) dirty.add(dirname(path))
  }
  return [...dirty]
}

describe('a backup', () => {
  test.each([false, true])(
    'is a data directory that serves the same bytes (copies: %s)',
    async (copies) => {
      const filled = await openFilled()
      const destination = await newDestination()
      expect(await runBackup(filled, destination, { copies })).toMatchObject({
        path: destination,
        packs: 2,
        linkedPacks: copies ? 0 : 2,
        copiedPacks: copies ? 2 : 0,
        damagedCopies: 0,
      })
      await expectWhole(destination, filled.zips)
      expect(await exists(`${destination}.partial`)).toBe(false)
      // Nobody else may read in it, or where it is restored: reading from the server takes a token.
      expect((await stat(destination)).mode & 0o777).toBe(0o700)
      expect((await stat(join(destination, 'trove.db'))).mode & 0o777).toBe(0o600)
    },
  )

  test('shares no bytes with the store when it consists of copies', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    await runBackup(filled, destination, { copies: true })
    for (const path of await packPaths(join(filled.store.directory, 'cas')))
      await writeFile(path, '')
    await expectWhole(destination, filled.zips)
  })

  test('has what the store had, though all of it is deleted and collected in the meantime', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    const { metadata, packs, now } = filled.store.ports
    await runBackup(filled, destination, {
      checkpoint: async (step) => {
        if (step !== 'backup-metadata-copied') return
        const removal = { state: 'deleted', reason: 'deleted', now: now() } as const
        await metadata.removeArtifacts([...filled.zips.keys()], removal)
        await collectNow({ metadata, packs, now })
      },
    })
    await expectWhole(destination, filled.zips)
    await collectNow({ metadata, packs, now })
    expect(await packPaths(join(filled.store.directory, 'cas'))).toEqual([])
  })

  test.each(['backup-metadata-copied', 'backup-packs-brought'])(
    'fails when it slept longer than packs are kept for it, after %s',
    async (asleep) => {
      const filled = await openFilled()
      const { ports } = filled.store
      const destination = await newDestination()
      let now = ports.now()
      ports.now = () => now
      const backup = runBackup(filled, destination, {
        checkpoint: async (step) => {
          if (step !== asleep) return
          now += day
          const removal = { state: 'deleted', reason: 'deleted', now } as const
          await ports.metadata.removeArtifacts([...filled.zips.keys()], removal)
          await collectNow({ ...ports, checkpoint: undefined })
        },
      })
      await expect(backup).rejects.toMatchObject({ code: 'session_ended' })
      expect(await exists(destination)).toBe(false)
    },
  )

  // Every small upload is a pack, and a start takes many unknown packs for those of a lost
  // database.
  test('leaves out uploads made after its metadata was copied', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    const report = await runBackup(filled, destination, {
      checkpoint: async (step) => {
        if (step === 'backup-metadata-copied') await uploadMany(filled.store)
      },
    })
    await expectWhole(destination, filled.zips)
    expect(report.packs).toBe(2)
  })

  test('never overwrites, and does not adopt a directory that is not an unfinished backup', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    await writeFile(destination, 'mine')
    await expect(runBackup(filled, destination)).rejects.toMatchObject({ code: 'invalid_request' })
    await rm(destination)
    const mine = join(`${destination}.partial`, 'mine')
    await mkdir(dirname(mine))
    await writeFile(mine, 'mine')
    await expect(runBackup(filled, destination)).rejects.toMatchObject({ code: 'invalid_request' })
    expect(await readdir(dirname(mine))).toEqual(['mine'])
    // Empty, as an attempt that was killed early leaves it.
    await rm(mine)
    await runBackup(filled, destination)
    await expectWhole(destination, filled.zips)
  })

  test('reports a destination where nothing can be created', async () => {
    const refusal = { code: 'invalid_request', message: expect.stringContaining('cannot create') }
    await expect(runBackup(await openFilled(), '/dev/null/backup')).rejects.toMatchObject(refusal)
  })

  test.each(['EROFS', 'EACCES'])(
    'fails, and is not refused, when the destination answers %s',
    async (code) => {
      const fileSystem = {
        ...nodeFileSystem,
        copyFile,
        mkdir: async () => {
          throw Object.assign(new Error(`${code}: denied, mkdir '/x'`), { code })
        },
      }
      const destination = await newDestination()
      await expect(
        runBackup(await openFilled(), destination, { fileSystem }),
      ).rejects.toMatchObject({
        code: 'storage_failed',
        message: `the backup ${destination} is inaccessible: denied (${code})`,
      })
    },
  )

  test('reuses the packs of an earlier attempt, except those that died', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    const dying = await filled.store.putTar('dying', { 'd.txt': 'delta' })
    await interrupt(filled, destination, { copies: true })
    expect(await exists(destination)).toBe(false)
    const removal = { state: 'deleted', reason: 'deleted', now: filled.store.ports.now() } as const
    await filled.store.metadata.removeArtifacts([dying], removal)
    await collectNow(filled.store.ports, { hasRoom: async () => false })
    const live = await packNames(filled.store.directory)
    const partial = `${destination}.partial`
    expect(await packNames(partial)).toHaveLength(live.length + 1)
    // As a kill or a bad medium leaves them.
    const [name = ''] = live
    await truncate(join(partial, 'cas', 'packs', name.slice(0, 2), name))
    await writeFile(join(partial, 'cas', 'staging', 'packs', name), 'half')
    await writeFile(join(partial, 'trove.db'), 'half '.repeat(1000))
    expect(await runBackup(filled, destination)).toMatchObject({
      packs: 2,
      reusedPacks: 1,
      linkedPacks: 1,
    })
    expect(await packNames(destination)).toEqual(live)
    expect(await readdir(join(destination, 'cas', 'staging', 'packs'))).toEqual([])
    await expectWhole(destination, filled.zips)
  })

  test.each([
    ['reuses what an interrupted one copied', true],
    ['does not reuse what an interrupted one linked', false],
  ])('of copies %s', async (_what, copies) => {
    const filled = await openFilled()
    const destination = await newDestination()
    await interrupt(filled, destination, { copies })
    expect(await runBackup(filled, destination, { copies: true })).toMatchObject({
      reusedPacks: copies ? 2 : 0,
      copiedPacks: copies ? 0 : 2,
    })
    for (const path of await packPaths(join(destination, 'cas')))
      expect((await stat(path)).nlink).toBe(1)
  })

  test.each([
    ['the first', false],
    ['a repeated', true],
  ])('is durable before it gets its name, at %s attempt', async (_which, isRepeated) => {
    const filled = await openFilled()
    const destination = await newDestination()
    if (isRepeated) await interrupt(filled, destination, { copies: true })
    const root = dirname(destination)
    const watched = watchFileSystem({ root })
    const { calls, overlapping } = watched
    const key = join(filled.store.directory, 'some.key')
    await writeFile(key, 'key')
    const fileSystem = {
      ...watched,
      copyFile: async (from: string, to: string) => {
        await copyFile(from, to)
        calls.push(`open-create ${relative(root, to)}`, `write ${relative(root, to)}`)
      },
    }
    await runBackup(filled, destination, { copies: true, fileSystem, files: [key] })
    // Files that were only read may be closed later.
    const isRead = (call: string): boolean => /^close .*\/packs\/..\//.test(call)
    expect(overlapping.filter((call) => !isRead(call))).toEqual([])
    const named = calls.indexOf('rename backup')
    expect(unsynced(calls.slice(0, named))).toEqual(
      isRepeated ? [] : ['backup.partial/cas/staging/packs'],
    )
    expect(calls.slice(named + 1)).toContain('sync .')
    expect(watched.openFiles).toBe(0)
    expect(await readFile(join(destination, 'some.key'), 'utf8')).toBe('key')
  })

  test('fails when the destination does not return what was written', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    const open: PackFileSystem['open'] = async (path, mode) => {
      const file = await nodeFileSystem.open(path, mode)
      if (mode === 'create' || !path.endsWith('.zip')) return file
      const read: PackFile['read'] = async (target, position) => {
        const bytes = await file.read(target, position)
        target[0]! ^= 1
        return bytes
      }
      return { ...file, read }
    }
    const fileSystem = { ...nodeFileSystem, open, copyFile }
    await expect(
      runBackup(filled, destination, { copies: true, fileSystem }),
    ).rejects.toMatchObject({ code: 'digest_mismatch' })
    expect(await exists(destination)).toBe(false)
  })

  test('on another disk links what the newest backup beside it has, and survives its removal', async () => {
    const filled = await onAnotherDisk()
    const directory = testDirectory()
    await writeFile(join(directory, 'notes'), 'mine')
    await mkdir(join(directory, 'lost+found'))
    await runBackup(filled, join(directory, '0'))
    const [first, second] = [join(directory, '1'), join(directory, '2')]
    expect(await runBackup(filled, first)).toMatchObject({ linkedPacks: 2, copiedPacks: 0 })
    await filled.store.putTar('more', { 'more.txt': 'delta '.repeat(500) })
    filled.zips.set(3, await zipOf(filled.store, 3))
    expect(await runBackup(filled, second)).toMatchObject({ linkedPacks: 2, copiedPacks: 1 })
    await rm(join(directory, '0'), { recursive: true })
    await rm(first, { recursive: true })
    await expectWhole(second, filled.zips)
    const copies = await runBackup(filled, join(directory, '3'), { copies: true })
    expect(copies).toMatchObject({ linkedPacks: 0, copiedPacks: 3 })
  })

  test('on another disk copies again what the backup beside it has damaged or lost', async () => {
    const filled = await onAnotherDisk()
    const [first, second] = [await newDestination(), await newDestination()]
    await runBackup(filled, first)
    await spoil(join(first, 'cas'), encodeJoiningSync(Buffer.from('beta '.repeat(500)), 6))
    const beside = join(dirname(first), 'second')
    expect(await runBackup(filled, beside)).toMatchObject({ linkedPacks: 1, copiedPacks: 1 })
    await expectWhole(beside, filled.zips)
    for (const path of await packPaths(join(beside, 'cas'))) await rm(path)
    const third = join(dirname(first), 'third')
    expect(await runBackup(filled, third)).toMatchObject({ linkedPacks: 0, copiedPacks: 2 })
    await writeFile(join(third, 'cas', 'format'), 'of a later version')
    expect(await runBackup(filled, join(dirname(first), 'fourth'))).toMatchObject({
      copiedPacks: 2,
    })
    expect(await runBackup(filled, second)).toMatchObject({ copiedPacks: 2 })
  })

  // Method: one pack gets another byte in its first header, the other in its central directory.
  test('on another disk copies again a pack that only `unzip` would miss something of', async () => {
    const filled = await onAnotherDisk()
    const directory = testDirectory()
    await runBackup(filled, join(directory, '1'))
    const [first = '', second = ''] = await packPaths(join(directory, '1', 'cas'))
    await flipByte(first, 4)
    await flipByte(second, (await readFile(second)).indexOf('PK\u0001\u0002') + 12)
    expect(await runBackup(filled, join(directory, '2'))).toMatchObject({
      linkedPacks: 0,
      copiedPacks: 2,
    })
    expect(await runBackup(filled, join(directory, '3'))).toMatchObject({ linkedPacks: 2 })
  })

  test('on another disk copies all packs when what is beside it cannot be used', async () => {
    const filled = await onAnotherDisk()
    const directory = testDirectory()
    await symlink('loop', join(directory, 'loop'))
    const going = join(directory, 'being-deleted')
    await mkdir(going)
    await writeFile(join(going, 'trove-backup'), '')
    expect(await runBackup(filled, join(directory, '1'))).toMatchObject({ copiedPacks: 2 })
    expect(await readdir(going)).toEqual(['trove-backup'])
    await rm(going, { recursive: true })
    const failing = async (path: string): Promise<never> => {
      throw Object.assign(new Error(`EIO: injected, ${path}`), { code: 'EIO' })
    }
    for (const place of ['.', '1/trove-backup', '1/cas/format']) {
      const withBadSector = <T>(call: (path: string) => Promise<T>) => {
        const bad = join(directory, place)
        return async (path: string): Promise<T> => await (path === bad ? failing : call)(path)
      }
      const fileSystem = {
        ...nodeFileSystem,
        copyFile,
        readdir: withBadSector(nodeFileSystem.readdir),
        stat: withBadSector(nodeFileSystem.stat),
      }
      const next = join(directory, 'next')
      expect(await runBackup(filled, next, { fileSystem })).toMatchObject({ copiedPacks: 2 })
      await rm(next, { recursive: true })
    }
    const next = await runBackup(filled, join(directory, 'next'))
    expect(next).toMatchObject({ linkedPacks: 2 })
  })

  test('reads the backup beside it only to link to it', async () => {
    const [sameDisk, filled] = [await openFilled(), await onAnotherDisk()]
    const directory = testDirectory()
    const watched = watchFileSystem({ root: directory })
    const read = (): string[] =>
      watched.calls.filter((call) => /^(open-read|readdir) 1\b.*(packs|zip)$/.test(call))
    await runBackup(sameDisk, join(directory, '1'))
    await runBackup(sameDisk, join(directory, '2'), { fileSystem: { ...watched, copyFile } })
    expect(read()).toEqual([])
    await rm(join(directory, '2'), { recursive: true })
    await rm(join(directory, '1'), { recursive: true })
    await runBackup(filled, join(directory, '1'))
    const link = async (): Promise<never> => {
      throw Object.assign(new Error('EPERM: no links here'), { code: 'EPERM' })
    }
    const fileSystem = { ...watched, copyFile, link }
    expect(await runBackup(filled, join(directory, '2'), { fileSystem })).toMatchObject({
      copiedPacks: 2,
    })
    expect(read().filter((call) => call.endsWith('.zip'))).toHaveLength(1)
    expect(watched.openFiles).toBe(0)
  })

  test('of a damaged store has the rest, and reports the damage', async () => {
    const filled = await openFilled()
    const cas = join(filled.store.directory, 'cas')
    await spoil(cas, encodeJoiningSync(Buffer.from('beta '.repeat(500)), 6))
    const destination = await newDestination()
    expect(await runBackup(filled, destination, { copies: true })).toMatchObject({
      damagedCopies: 1,
    })
    const [path] = await packPaths(cas)
    await filled.store.packs.remove(path!.slice(-36, -4))
    for (const copies of [false, true])
      expect(await runBackup(filled, `${destination}-${copies}`, { copies })).toMatchObject({
        missingPacks: 1,
        packs: 2,
      })
  })

  test('of copies has the rest of a pack that has a bad sector', async () => {
    const filled = await openFilled()
    const { ports, putTar } = filled.store
    // Always cut into the same chunks.
    await putTar('large', { 'large.bin': noise(3 * limits.packWriteBytes) })
    const all = (await scrubNow(ports)).copies
    const { read } = ports.packs
    ports.packs = {
      ...ports.packs,
      read: async (name, offset, ...rest) => {
        if (offset === limits.packWriteBytes) throw blobDamaged('bad sector')
        return await read(name, offset, ...rest)
      },
    }
    const report = await runBackup(filled, await newDestination(), { copies: true })
    expect(report).toMatchObject({ copiedPacks: 3, missingPacks: 0 })
    expect(report.damagedCopies).toBeGreaterThan(0)
    expect(report.damagedCopies).toBeLessThan(all / 2)
  })

  test.each([false, true])(
    'may take longer than packs are kept for one that has died (copies: %s)',
    async (copies) => {
      const filled = await openFilled()
      const { ports, putTar } = filled.store
      if (copies) await putTar('large', { 'large.bin': randomBytes(3 * limits.packWriteBytes) })
      const begun = ports.now()
      let at = begun
      vi.spyOn(performance, 'now').mockImplementation(() => at)
      onTestFinished(() => {
        vi.restoreAllMocks()
      })
      const slowly =
        <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
        async (...args: Args): Promise<Result> => {
          at += 40 * 60_000
          return await call(...args)
        }
      const { read, linkTo } = ports.packs
      ports.packs = { ...ports.packs, read: slowly(read), linkTo: slowly(linkTo!) }
      ports.now = () => at
      await runBackup(filled, await newDestination(), { copies })
      expect(at - begun).toBeGreaterThan(60 * 60_000)
    },
  )
})
