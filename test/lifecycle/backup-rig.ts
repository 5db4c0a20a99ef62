/** A small store, backups of it, and checks of what is in them. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type BackupFileSystem, backUp } from '../../src/lifecycle/backup/backup.ts'
import type { BackupReport } from '../../src/lifecycle/backup/backup-packs.ts'
import { openStore, type TestStore, zipOf } from '../ingest/open-store.ts'
import { testDirectory } from '../temporary-directory.ts'
import { scrubNow } from './collection.ts'
import { recoverAt, withStoreAt } from './store-at.ts'

export interface Filled {
  store: TestStore
  /** Zips of the artifacts, by id. */
  zips: Map<number, Buffer>
}

export async function openFilled(): Promise<Filled> {
  const store = await openStore()
  const [a, b, c] = ['alpha ', 'beta ', 'gamma '].map((word) => word.repeat(500))
  await store.putTar('tree', { 'a.txt': a!, 'b.txt': b! })
  await store.putZip('stock', { c: c! })
  const zips = new Map<number, Buffer>()
  for (const id of [1, 2]) zips.set(id, await zipOf(store, id))
  return { store, zips }
}

/** A store whose packs cannot be linked to where backups are. */
export async function onAnotherDisk(): Promise<Filled> {
  const { store, zips } = await openFilled()
  const packs = { ...store.ports.packs, linkTo: async () => false }
  return { store: { ...store, ports: { ...store.ports, packs } }, zips }
}

export async function newDestination(): Promise<string> {
  return join(testDirectory(), 'backup')
}

export async function runBackup(
  { store }: Filled,
  destination: string,
  more: {
    copies?: boolean
    files?: string[]
    fileSystem?: BackupFileSystem
    checkpoint?: (step: string) => unknown
  } = {},
): Promise<BackupReport> {
  const { copies = false, files = [], fileSystem, checkpoint } = more
  return await backUp(
    { ...store.ports, checkpoint: async (step) => void (await checkpoint?.(step)) },
    { destination, copies, files, ...(fileSystem && { fileSystem }) },
  )
}

/** Starts on the backup as a server would, and reads everything. */
export async function expectWhole(destination: string, zips: Map<number, Buffer>): Promise<void> {
  await withStoreAt(destination, async (store) => {
    const ports = { ...store, now: () => Date.UTC(2026, 0, 3) }
    await recoverAt(destination, ports)
    for (const [id, zip] of zips) expect(await zipOf(ports, id)).toEqual(zip)
    const report = await scrubNow(ports)
    expect(report).toMatchObject({ damagedCopies: 0, drifts: 0 })
  })
}

export const exists = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  )
