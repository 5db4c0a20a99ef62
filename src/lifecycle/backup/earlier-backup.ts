/** The newest complete backup beside a new one. On another file system than the store's, its packs
 *  save the new backup from copying them. */
import { dirname, join } from 'node:path'
import { hasCode, hasErrno } from '../../core/errors.ts'
import { translateErrno } from '../../packs/local/errno.ts'
import type { PackFileSystem } from '../../packs/local/file-system.ts'
import { openLocalPackStore } from '../../packs/local/local.ts'
import { createLocalPaths, type LocalPaths } from '../../packs/local/local-layout.ts'
import type { PackStore } from '../../packs/pack-store.ts'

export interface EarlierBackup {
  store: PackStore
  paths: LocalPaths
  /** Until linking to one of its packs proves impossible. */
  hasLinks: boolean
}

/** File in every backup, complete or not. */
export const markerFile = 'trove-backup'

/** Where an unfinished backup is. */
export const partialOf = (destination: string): string => `${destination}.partial`

/** Opens the newest other backup in the directory of `destination`; undefined if there is none that
 *  can be used. */
export async function openEarlierBackup(
  destination: string,
  fileSystem: PackFileSystem,
): Promise<EarlierBackup | undefined> {
  const parent = dirname(destination)
  let newest: { path: string; modifiedAt: number } | undefined
  for (const name of (await ifUsable(() => fileSystem.readdir(parent))) ?? []) {
    if (name.endsWith(partialOf(''))) continue
    const path = join(parent, name)
    const facts = await ifUsable(() => fileSystem.stat(join(path, markerFile)))
    if (facts !== undefined && facts.modifiedAt > (newest?.modifiedAt ?? -Infinity))
      newest = { path, modifiedAt: facts.modifiedAt }
  }
  if (newest === undefined) return undefined
  const directory = join(newest.path, 'cas')
  return await ifUsable(async () => {
    // Opening would create what somebody is deleting.
    await fileSystem.stat(createLocalPaths(directory).format)
    const store = await openLocalPackStore({ directory, fileSystem })
    return { store, paths: createLocalPaths(directory), hasLinks: true }
  })
}

/** Returns undefined when `work` fails for a reason that need not fail the new backup: what is
 *  beside it can be a file, closed to the server's user, on a bad disk, about to be deleted, or of
 *  a version with another format of packs. */
export async function ifUsable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await translateErrno('the earlier backup', work)
  } catch (error) {
    if (hasCode(error, 'not_found', 'storage_failed', 'invalid_request')) return undefined
    if (hasErrno(error, 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return undefined
    throw error
  }
}
