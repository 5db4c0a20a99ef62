/** Backup: a consistent copy of a running store, which is a data directory like the one it came from.
 *
 *    1. A lease on reading, so that no pack goes away until the end.
 *    2. The metadata as of one instant, in `DEST.partial`. Every pack that it needs is there from now on.
 *    3. Those packs: as hard links where that can be done (packs never change, so a link is as good as a copy against
 *       every mistake, though not against a bad disk), else as copies that are synced, read back and judged.
 *    4. Everything is synced, and `DEST.partial` becomes `DEST`.
 *  So `DEST` is whole or not there. A backup that was stopped goes on from the packs it has got. */
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createDigestHasher } from '../core/digest.ts'
import { hasCode, storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { ignoringAbsence, translateErrno } from '../packs/errno.ts'
import {
  type PackFileSystem,
  makeDirectory,
  nodeFileSystem,
  readAll,
  syncDirectory,
  writeAll,
} from '../packs/file-system.ts'
import { openLocalPackStore } from '../packs/local.ts'
import { type LocalPaths, createFanOut, createLocalPaths } from '../packs/local-layout.ts'
import type { PackStore, SealedPack } from '../packs/pack-store.ts'
import type { LifecyclePorts } from './ports.ts'
import { type ReadingLease, openReadingLease } from './reading-lease.ts'
import { verifyCopies } from './verify-copies.ts'

export interface BackupFileSystem extends PackFileSystem {
  /** Copies a small file with its mode. */
  copyFile(from: string, to: string): Promise<void>
}

const nodeBackupFileSystem: BackupFileSystem = { ...nodeFileSystem, copyFile }

export interface BackupOptions {
  /** Absolute. Must not exist. */
  destination: string
  /** Files beside the metadata that belong to the store, such as its key; those that are missing are left out. */
  files: string[]
  /** Never links, so that the backup shares no bytes with the store. */
  copies: boolean
  onProgress?: (progress: BackupReport) => void
  fileSystem?: BackupFileSystem
}

export interface BackupReport {
  /** Where it is, or will be. */
  path: string
  packs: number
  packBytes: number
  linkedPacks: number
  copiedPacks: number
  /** Packs that an earlier try had brought. */
  reusedPacks: number
  /** Copies found bad in packs that were copied; they are in the backup as far as they can be read. */
  damagedCopies: number
  /** Packs that the store has lost. */
  missingPacks: number
}

/** How long dead packs stay after the backup has died. Copying the metadata renews nothing. */
const leaseMs = 60 * 60 * 1000
const packsPerPage = 500
const markerFile = 'trove-backup'
const marker = 'trove-backup 1\n'
const databaseFile = 'trove.db'

/** Damage to the store is an answer and no failure: what can be read is in the backup.
 *  Errors: invalid_request (the destination exists, or its `.partial` is not a backup), storage_full. */
export async function backUp(ports: LifecyclePorts, options: BackupOptions): Promise<BackupReport> {
  const { destination, fileSystem = nodeBackupFileSystem } = options
  const partial = `${destination}.partial`
  return await translateErrno(`the backup ${destination}`, async () => {
    await checkFree(fileSystem, destination)
    await beginPartial(fileSystem, partial)
    const lease = await openReadingLease(ports, leaseMs)
    try {
      await ports.checkpoint?.('backup-begun')
      const report = await fillPartial(ports, { ...options, fileSystem, partial, lease })
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
  throw refused(`${destination} exists; give a new name`)
}

function refused(reason: string): Error {
  return storeError('invalid_request', reason, { field: 'destination' })
}

/** Makes the directory, or recognizes the one of an earlier try. */
async function beginPartial(fileSystem: BackupFileSystem, partial: string): Promise<void> {
  const found = await ignoringAbsence(() => fileSystem.readdir(partial))
  if (found !== undefined && found.length > 0 && !found.includes(markerFile)) {
    throw refused(`${partial} exists and is not an unfinished backup`)
  }
  await makeDirectory(partial, fileSystem)
  if (found?.includes(markerFile) === true) return
  const file = await fileSystem.open(join(partial, markerFile), 'create')
  try {
    await writeAll(file, Buffer.from(marker), 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

interface Filling extends BackupOptions {
  fileSystem: BackupFileSystem
  partial: string
  lease: ReadingLease
}

async function fillPartial(ports: LifecyclePorts, filling: Filling): Promise<BackupReport> {
  const { fileSystem, partial } = filling
  await copyMetadata(ports, filling)
  await ports.checkpoint?.('backup-metadata-copied')
  const directory = join(partial, 'cas')
  const store = await openLocalPackStore({ directory, fileSystem })
  try {
    const paths = createLocalPaths(directory)
    const ensureFanOut = createFanOut(paths, fileSystem)
    const report = await bringPacks(ports, { ...filling, store, paths, ensureFanOut })
    await ports.checkpoint?.('backup-packs-brought')
    await syncDirectory(partial, fileSystem)
    return report
  } finally {
    await store.close()
  }
}

async function copyMetadata(
  { metadata }: LifecyclePorts,
  { fileSystem, partial, files, lease }: Filling,
): Promise<void> {
  const database = join(partial, databaseFile)
  // What an earlier try copied is older than packs that may have died since.
  await ignoringAbsence(() => fileSystem.unlink(database))
  await lease.renew()
  await metadata.copyTo(database)
  for (const from of files) {
    const to = join(partial, from.slice(from.lastIndexOf('/') + 1))
    await ignoringAbsence(() => fileSystem.unlink(to))
    const copied = await ignoringAbsence(async () => {
      await fileSystem.copyFile(from, to)
      return true
    })
    if (copied === true) await syncFile(fileSystem, to)
  }
}

async function syncFile(fileSystem: BackupFileSystem, path: string): Promise<void> {
  const file = await fileSystem.open(path, 'read')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

interface Bringing extends Filling {
  /** The packs of the backup, and where they lie. */
  store: PackStore
  paths: LocalPaths
  ensureFanOut: (name: string) => Promise<void>
}

async function bringPacks(ports: LifecyclePorts, bringing: Bringing): Promise<BackupReport> {
  const { fileSystem, paths, store, destination, lease } = bringing
  const report: BackupReport = {
    path: destination,
    packs: 0,
    packBytes: 0,
    linkedPacks: 0,
    copiedPacks: 0,
    reusedPacks: 0,
    damagedCopies: 0,
    missingPacks: 0,
  }
  // What an earlier try left half-written.
  await store.removeUnsealed(Number.POSITIVE_INFINITY)
  const present = new Map<string, number>()
  for await (const pack of store.list()) present.set(pack.name, pack.sizeBytes)
  const directories = new Set<string>()
  for (let after = 0; ;) {
    const page = await ports.metadata.listPacks({ lease: lease.id, after, limit: packsPerPage })
    for (const pack of page) {
      ports.signal?.throwIfAborted()
      await lease.renew()
      directories.add(paths.fanOut(pack.name))
      if (present.get(pack.name) === pack.sizeBytes) report.reusedPacks += 1
      else await bringIfThere(ports, bringing, pack, report)
      present.delete(pack.name)
      report.packs += 1
      report.packBytes += pack.sizeBytes
      bringing.onProgress?.({ ...report })
      await ports.checkpoint?.('backup-pack-brought')
    }
    if (page.length < packsPerPage) break
    after = page.at(-1)!.id
  }
  // Packs that died since an earlier try brought them.
  for (const name of present.keys()) await store.remove(name)
  for (const directory of directories) await syncDirectory(directory, fileSystem)
  return report
}

async function bringIfThere(...args: Parameters<typeof bringPack>): Promise<void> {
  try {
    await bringPack(...args)
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const [, , , report] = args
    report.missingPacks += 1
  }
}

/** Errors: not_found, storage_full. */
async function bringPack(
  ports: LifecyclePorts,
  bringing: Bringing,
  pack: SealedPack & { id: number },
  report: BackupReport,
): Promise<void> {
  const { fileSystem, paths, copies } = bringing
  const target = paths.sealedPack(pack.name)
  await bringing.ensureFanOut(pack.name)
  // A pack of another size is one that the medium cut short after an earlier try.
  await ignoringAbsence(() => fileSystem.unlink(target))
  if (!copies && (await ports.packs.linkTo?.(pack.name, target)) === true) {
    report.linkedPacks += 1
    return
  }
  await copyPack(ports, bringing, pack)
  report.damagedCopies += await countDamaged(ports, bringing, pack)
  report.copiedPacks += 1
}

/** Writes the pack beside its place, reads it back, and only then gives it its name. */
async function copyPack(
  { packs, signal }: LifecyclePorts,
  { fileSystem, paths, lease }: Bringing,
  { name, sizeBytes }: SealedPack,
): Promise<void> {
  const staged = paths.stagedPack(name)
  const read = createDigestHasher()
  const written = createDigestHasher()
  const pages = function* (): Generator<{ at: number; lengthBytes: number }> {
    for (let at = 0; at < sizeBytes; at += limits.packWriteBytes) {
      yield { at, lengthBytes: Math.min(limits.packWriteBytes, sizeBytes - at) }
    }
  }
  const target = await fileSystem.open(staged, 'create')
  try {
    for (const { at, lengthBytes } of pages()) {
      signal?.throwIfAborted()
      const bytes = await readOrZeros(packs, { name, at, lengthBytes })
      read.update(bytes)
      await writeAll(target, bytes, at)
      await lease.renew()
    }
    await target.sync()
  } finally {
    await target.close()
  }
  const source = await fileSystem.open(staged, 'read')
  try {
    for (const { at, lengthBytes } of pages()) {
      const bytes = Buffer.alloc(lengthBytes)
      await readAll(source, bytes, at)
      written.update(bytes)
    }
  } finally {
    await source.close()
  }
  const [expected, actual] = [read.digest(), written.digest()]
  if (expected !== actual) {
    throw storeError('digest_mismatch', `pack ${name} reads back other than it was written`, {
      expected,
      actual,
    })
  }
  await fileSystem.rename(staged, paths.sealedPack(name))
}

/** One bad sector is no reason to give up the rest of the pack. */
async function readOrZeros(
  packs: PackStore,
  { name, at, lengthBytes }: { name: string; at: number; lengthBytes: number },
): Promise<Buffer> {
  try {
    return await packs.read(name, at, lengthBytes)
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return Buffer.alloc(lengthBytes)
    throw error
  }
}

async function countDamaged(
  { metadata, signal }: LifecyclePorts,
  { store }: Bringing,
  pack: { id: number; name: string },
): Promise<number> {
  let damaged = 0
  for (let after = -1; ;) {
    const page = await metadata.readPackCopies(pack.id, { after, limit: 1000 })
    const options = { packs: store, packName: pack.name, pace: async () => {}, signal }
    for await (const { fault } of verifyCopies(page, options)) if (fault !== null) damaged += 1
    if (page.length < 1000) return damaged
    after = page.at(-1)!.offset
  }
}
