/** The newest complete backup beside a new one. On another file system than the store's, its packs
 *  save the new backup from copying them. */
import { dirname, join } from 'node:path'
import { hasCode } from '../../core/errors.ts'
import { hasErrno } from '../../packs/local/errno.ts'
import type { PackFileSystem } from '../../packs/local/file-system.ts'
import { openLocalPackStore } from '../../packs/local/local.ts'
import { type PackName, type PackStore, sizesOf } from '../../packs/pack-store.ts'

export interface EarlierBackup {
  store: PackStore
  sizes: Map<PackName, number>
}

/** File in every backup, complete or not. */
export const markerFile = 'trove-backup'

/** Where an unfinished backup is. */
export const partialOf = (destination: string): string => `${destination}.partial`

/** Opens the newest other backup in the directory of `destination`; undefined if there is none. */
export async function openEarlierBackup(
  destination: string,
  fileSystem: PackFileSystem,
): Promise<EarlierBackup | undefined> {
  const parent = dirname(destination)
  let newest: { path: string; modifiedAt: number } | undefined
  for (const name of await fileSystem.readdir(parent)) {
    if (name.endsWith(partialOf(''))) continue
    const path = join(parent, name)
    const facts = await ifReadable(() => fileSystem.stat(join(path, markerFile)))
    if (facts !== undefined && facts.modifiedAt > (newest?.modifiedAt ?? -Infinity))
      newest = { path, modifiedAt: facts.modifiedAt }
  }
  if (newest === undefined) return undefined
  try {
    const store = await openLocalPackStore({ directory: join(newest.path, 'cas'), fileSystem })
    return { store, sizes: await sizesOf(store) }
  } catch (error) {
    // Made by a version with another format of packs.
    if (hasCode(error, 'invalid_request')) return undefined
    throw error
  }
}

/** Whatever else is in that directory may be a file, or closed to the server's user. */
async function ifReadable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return undefined
    throw error
  }
}
