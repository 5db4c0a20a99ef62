/** The packs of a backup: hard-linked to the store's where possible, else to those of an earlier
 *  backup that still read back intact, else copied, read back and verified. A pack from an earlier
 *  attempt is reused. */
import { createDigestHasher } from '../../core/bytes/digest.ts'
import { digestMismatch, hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { pagesOf } from '../../core/slices.ts'
import { findFramingFault } from '../../packs/format/framing.ts'
import { ignoringAbsence } from '../../packs/local/errno.ts'
import {
  type PackFileSystem,
  readAll,
  syncDirectory,
  writeAll,
} from '../../packs/local/file-system.ts'
import type { LocalPaths } from '../../packs/local/local-layout.ts'
import type { PackStore, SealedPack } from '../../packs/pack-store.ts'
import { copyPages, packsFrom } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'
import type { MaintenanceLease } from '../maintenance-lease.ts'
import { verifyCopies } from '../scrub/verify-copies.ts'
import { type EarlierBackup, ifUsable } from './earlier-backup.ts'

export interface BackupReport {
  /** Where the backup is or will be. */
  path: string
  packs: number
  packBytes: number
  linkedPacks: number
  copiedPacks: number
  /** Packs present from an earlier attempt. */
  reusedPacks: number
  /** Copies found bad in copied packs; the backup has what can be read of them. */
  damagedCopies: number
  /** Packs missing in the store. */
  missingPacks: number
}

export interface PackBackup {
  fileSystem: PackFileSystem
  /** The final place of the backup, for the report. */
  destination: string
  /** Copies every pack and never links. */
  copies: boolean
  /** Opens the backup before this one on the first call. */
  earlier: () => Promise<EarlierBackup | undefined>
  lease: MaintenanceLease
  /** Id of the newest pack known to the metadata of the backup. Later packs are left out: with
   *  many of them, a start would conclude that they belong to a lost database. */
  newestPack: number
  onProgress?: (progress: BackupReport) => void
  /** The packs of the backup, and their paths. */
  store: PackStore
  paths: LocalPaths
  ensureFanOut: (name: string) => Promise<void>
}

/** Adds every pack that the metadata of the backup needs, and removes packs of an earlier
 *  attempt that it does not need; durable when it resolves.
 *  Errors: storage_full, digest_mismatch (the destination does not return what was written). */
export async function addPacks(ports: LifecyclePorts, backup: PackBackup): Promise<BackupReport> {
  const { fileSystem, paths, store, destination, lease, newestPack } = backup
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
  // Half-written packs of an earlier attempt.
  await store.removeUnsealed(Number.POSITIVE_INFINITY)
  const directories = new Set<string>()
  const packs = packsFrom({ id: 0 }, ({ id: after }, limit) =>
    ports.metadata.listPacks({ lease: lease.id, newest: newestPack, after, limit }),
  )
  for await (const pack of packs) {
    ports.signal?.throwIfAborted()
    await lease.renew()
    directories.add(paths.fanOut(pack.name))
    await addPack(ports, backup, pack, report).catch((error: unknown) => {
      if (!hasCode(error, 'not_found')) throw error
      report.missingPacks += 1
    })
    report.packs += 1
    report.packBytes += pack.sizeBytes
    backup.onProgress?.({ ...report })
    await ports.checkpoint?.('backup-pack-brought')
  }
  // Packs that are gone since an earlier attempt added them. Others that nothing needs are dead in
  // the copied metadata, too; garbage collection removes them.
  for await (const names of store.names()) {
    for (const name of await ports.metadata.unknownPacks(names)) await store.remove(name)
  }
  for (const directory of directories) await syncDirectory(directory, fileSystem)
  return report
}

/** Errors: not_found, storage_full. */
async function addPack(
  ports: LifecyclePorts,
  backup: PackBackup,
  pack: SealedPack & { id: number },
  report: BackupReport,
): Promise<void> {
  const { fileSystem, paths, store, copies } = backup
  const target = paths.sealedPack(pack.name)
  await backup.ensureFanOut(pack.name)
  const present = await ignoringAbsence(() => fileSystem.stat(target))
  // One of an earlier attempt, which may have linked. One of another size was truncated by the
  // medium since.
  if (present?.sizeBytes === pack.sizeBytes && (!copies || present.links === 1)) {
    report.reusedPacks += 1
    return
  }
  if (present !== undefined) await fileSystem.unlink(target)
  if (await linkPack(ports, backup, { pack, target })) {
    report.linkedPacks += 1
    return
  }
  await copyPack(ports, backup, pack)
  report.damagedCopies += (await checkCopies(ports, store, pack)).damaged
  report.copiedPacks += 1
}

/** Returns whether the pack could be linked. Errors: not_found (the store lost the pack). */
async function linkPack(
  ports: LifecyclePorts,
  { copies, earlier, fileSystem }: PackBackup,
  { pack, target }: { pack: SealedPack & { id: number }; target: string },
): Promise<boolean> {
  if (copies) return false
  if ((await ports.packs.linkTo?.(pack.name, target)) === true) return true
  const known = await earlier()
  if (known?.hasLinks !== true) return false
  const linked = await ifUsable(async () => {
    const { sizeBytes } = await fileSystem.stat(known.paths.sealedPack(pack.name))
    if (sizeBytes !== pack.sizeBytes) return undefined
    const { damaged, unended } = await checkCopies(ports, known.store, pack)
    if (damaged > 0) return undefined
    // A restored store would not need them, but `unzip` and a rebuild of the database do.
    const fault = await findFramingFault(known.store, pack.name, pack.sizeBytes, unended)
    if (fault !== null) return undefined
    return await known.store.linkTo?.(pack.name, target)
  })
  // The file system has no links, so the others need not be read.
  if (linked === false) known.hasLinks = false
  return linked === true
}

/** Writes the pack under a temporary name, reads it back, and only then renames it. */
async function copyPack(
  { packs, signal }: LifecyclePorts,
  { fileSystem, paths, lease }: PackBackup,
  { name, sizeBytes }: SealedPack,
): Promise<void> {
  const staged = paths.stagedPack(name)
  const read = createDigestHasher()
  const written = createDigestHasher()
  const target = await fileSystem.open(staged, 'create')
  try {
    for (const { at, lengthBytes } of pagesOf(sizeBytes, limits.packWriteBytes)) {
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
    for (const { at, lengthBytes } of pagesOf(sizeBytes, limits.packWriteBytes)) {
      const bytes = Buffer.alloc(lengthBytes)
      await readAll(source, bytes, at)
      written.update(bytes)
    }
  } finally {
    await source.close()
  }
  const [expected, actual] = [read.digest(), written.digest()]
  if (expected !== actual)
    throw digestMismatch(`pack ${name} does not read back as it was written`, expected, actual)
  await fileSystem.rename(staged, paths.sealedPack(name))
}

/** Reads part of a pack; zeros where it cannot be read, since one bad sector is no reason to
 *  give up the rest. */
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

/** Returns how many copies are bad, and which are not followed by a final block. */
async function checkCopies(
  { metadata, signal }: LifecyclePorts,
  store: PackStore,
  pack: { id: number; name: string },
): Promise<{ damaged: number; unended: ReadonlySet<number> }> {
  let damaged = 0
  const unended = new Set<number>()
  const options = { packs: store, packName: pack.name, pace: async () => {}, signal }
  for await (const page of copyPages(metadata, pack.id)) {
    for await (const { copy, fault, isEnded } of verifyCopies(page, options)) {
      if (fault !== null) damaged += 1
      if (!isEnded) unended.add(copy.offset)
    }
  }
  return { damaged, unended }
}
