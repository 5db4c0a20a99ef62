/** Backups of a store on disk: their contents, what they refuse, and how they resume. */
import { copyFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { nodeFileSystem } from '../../src/packs/local/file-system.ts'
import type { TestStore } from '../ingest/open-store.ts'
import { exists, expectWhole, newDestination, openFilled, runBackup } from './backup-rig.ts'
import { collectNow, day } from './collection.ts'
import { packPaths, spoil } from './stored-bytes.ts'

/** Uploads more packs than a crash can leave without a row. */
async function uploadMany({ putTar }: TestStore): Promise<void> {
  for (let number = 0; number <= limits.unknownPacksMax; number++) {
    await putTar(`new-${number}`, { 'new.txt': `new ${number}` })
  }
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
    await runBackup(filled, `${destination}-x`)
    await rm(join(`${destination}-x`, 'trove-backup'))
    await expect(runBackup(filled, `${destination}-x`)).rejects.toMatchObject({
      code: 'invalid_request',
    })
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

  test('reuses the packs of an earlier attempt', async () => {
    const filled = await openFilled()
    const destination = await newDestination()
    const stopped = runBackup(filled, destination, {
      copies: true,
      checkpoint: (step) => {
        if (step === 'backup-pack-brought') throw new Error('stopped')
      },
    })
    await expect(stopped).rejects.toThrow('stopped')
    expect(await exists(destination)).toBe(false)
    expect(await runBackup(filled, destination, { copies: true })).toMatchObject({
      packs: 2,
      reusedPacks: 1,
      copiedPacks: 1,
    })
    await expectWhole(destination, filled.zips)
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
    expect(await runBackup(filled, `${destination}-2`)).toMatchObject({ missingPacks: 1, packs: 2 })
  })
})
