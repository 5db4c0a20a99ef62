/** Backup: a consistent copy of a running store, in the form of a data directory.
 *
 *    1. Take a read lease, so that no pack is deleted before the end.
 *    2. Copy the metadata as of one instant to `DEST.partial`. Every pack it needs exists from now
 *       on.
 *    3. Add those packs: as hard links where possible (packs never change, so a link protects as
 *       well as a copy against every mistake, though not against a bad disk), to the store's packs
 *       or else to those of the newest backup beside this one, if they read back intact; else as
 *       copies that are synced, read back and verified.
 *    4. Sync everything and rename `DEST.partial` to `DEST`.
 *  So `DEST` is complete or absent. A repeated backup reuses the packs of one that was
 *  interrupted. */
import { copyFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { invalidRequest, hasErrno } from '../../core/errors.ts'
import { hourMs } from '../../core/units.ts'
import { ignoringAbsence, translateErrno } from '../../packs/local/errno.ts'
import {
  type PackFileSystem,
  makeDirectory,
  nodeFileSystem,
  syncDirectory,
  writeNew,
} from '../../packs/local/file-system.ts'
import { openLocalPackStore } from '../../packs/local/local.ts'
import { createFanOut, createLocalPaths } from '../../packs/local/local-layout.ts'
import { type BackupReport, addPacks } from './backup-packs.ts'
import { type EarlierBackup, markerFile, openEarlierBackup, partialOf } from './earlier-backup.ts'
import { databaseOf } from '../data-directory.ts'
import type { LifecyclePorts } from '../ports.ts'
import { type MaintenanceLease, openMaintenanceLease } from '../maintenance-lease.ts'

export interface BackupFileSystem extends PackFileSystem {
  /** Copies a small file with its mode. */
  copyFile(from: string, to: string): Promise<void>
}

const nodeBackupFileSystem: BackupFileSystem = { ...nodeFileSystem, copyFile }

export interface BackupOptions {
  /** An absolute path that must not exist. */
  destination: string
  /** Files beside the metadata that belong to the store; missing ones are left out. */
  files: string[]
  /** Never links, so that the backup shares no bytes with the store or another backup. */
  copies: boolean
  onProgress?: (progress: BackupReport) => void
  fileSystem?: BackupFileSystem
}

/** How long dead packs are kept after the backup has died. Not renewed while the metadata is
 *  copied. */
const leaseMs = hourMs
const marker = 'trove-backup 1\n'

/** Creates a backup. Damage to the store is reported, not thrown: the backup has what can be
 *  read.
 *  Errors: invalid_request (the destination exists or cannot be created, or its `.partial` is
 *  not a backup), storage_full, storage_failed (the destination is read-only or denies access),
 *  session_ended (the process slept for longer than packs are kept for it). */
export async function backUp(ports: LifecyclePorts, options: BackupOptions): Promise<BackupReport> {
  const { destination, fileSystem = nodeBackupFileSystem } = options
  const partial = partialOf(destination)
  return await translateErrno(`the backup ${destination}`, async () => {
    await whileBeginning(destination, async () => {
      await checkFree(fileSystem, destination)
      await beginPartial(fileSystem, partial)
    })
    const lease = await openMaintenanceLease(ports, leaseMs)
    try {
      await ports.checkpoint?.('backup-begun')
      const report = await fillPartial(ports, { ...options, fileSystem, partial, lease })
      // If the lease has ended, missing packs may have been deleted meanwhile; the store has not
      // lost them.
      await lease.renew()
      await fileSystem.rename(partial, destination)
      await ports.checkpoint?.('backup-renamed')
      await syncDirectory(dirname(destination), fileSystem)
      return report
    } finally {
      await lease.close()
    }
  })
}

async function checkFree(fileSystem: BackupFileSystem, destination: string): Promise<void> {
  if ((await ignoringAbsence(() => fileSystem.stat(destination))) === undefined) return
  throw refused(`${destination} already exists; choose a new name`)
}

function refused(reason: string): Error {
  return invalidRequest('destination', reason)
}

/** Errors of a path where nothing can be created: the caller has to name another. A place that is
 *  read-only or denies access is a failure instead, since the same path worked the night before. */
const refusals = ['ENOTDIR', 'EEXIST', 'ENAMETOOLONG', 'ELOOP'] as const

async function whileBeginning(destination: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Error && hasErrno(error, ...refusals))
      throw refused(`cannot create ${destination}: ${error.message}`)
    throw error
  }
}

/** Creates the directory, or recognizes that of an earlier attempt. */
async function beginPartial(fileSystem: BackupFileSystem, partial: string): Promise<void> {
  const found = await ignoringAbsence(() => fileSystem.readdir(partial))
  if (found !== undefined && found.length > 0 && !found.includes(markerFile)) {
    throw refused(`${partial} exists and is not an unfinished backup`)
  }
  await makeDirectory(partial, fileSystem)
  if (found?.includes(markerFile) === true) return
  await writeNew(fileSystem, join(partial, markerFile), Buffer.from(marker))
}

interface Filling extends BackupOptions {
  fileSystem: BackupFileSystem
  partial: string
  lease: MaintenanceLease
}

async function fillPartial(ports: LifecyclePorts, filling: Filling): Promise<BackupReport> {
  const { fileSystem, partial, destination } = filling
  const newestPack = await copyMetadata(ports, filling)
  await ports.checkpoint?.('backup-metadata-copied')
  const directory = join(partial, 'cas')
  const store = await openLocalPackStore({ directory, fileSystem })
  let opening: Promise<EarlierBackup | undefined> | undefined
  const earlier = (): Promise<EarlierBackup | undefined> =>
    (opening ??= openEarlierBackup(destination, fileSystem))
  try {
    const paths = createLocalPaths(directory)
    const ensureFanOut = createFanOut(paths, fileSystem)
    const adding = { ...filling, newestPack, store, earlier, paths, ensureFanOut }
    const report = await addPacks(ports, adding)
    await ports.checkpoint?.('backup-packs-brought')
    await syncDirectory(partial, fileSystem)
    return report
  } finally {
    await store.close()
    await (await opening)?.store.close()
  }
}

/** Returns the id of the newest pack known to the copy. */
async function copyMetadata(
  { metadata, signal }: LifecyclePorts,
  { fileSystem, partial, files }: Filling,
): Promise<number> {
  const database = databaseOf(partial)
  // What an earlier attempt left may be no database.
  await ignoringAbsence(() => fileSystem.unlink(database))
  const newestPack = await metadata.copyTo(database, signal)
  for (const from of files) {
    const to = join(partial, basename(from))
    await ignoringAbsence(() => fileSystem.unlink(to))
    await ignoringAbsence(async () => {
      await fileSystem.copyFile(from, to)
      await syncFile(fileSystem, to)
    })
  }
  return newestPack
}

async function syncFile(fileSystem: BackupFileSystem, path: string): Promise<void> {
  const file = await fileSystem.open(path, 'read')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
