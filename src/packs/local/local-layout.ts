/** The CAS directory on disk: its paths, its format file, its 2-hex directories. */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { invalidRequest, type StoreError } from '../../core/errors.ts'
import { type PackFileSystem, makeDirectory, readSmallFile, writeInPlace } from './file-system.ts'
import { formatName, packFormat, sealedPackPath } from '../pack-layout.ts'
import type { PackName } from '../pack-store.ts'

/** Every path in the CAS directory is built here. */
export interface LocalPaths {
  directory: string
  format: string
  sealed: string
  staging: string
  fanOut(name: PackName): string
  sealedPack(name: PackName): string
  stagedPack(name: PackName): string
  staged(file: string): string
}

export function createLocalPaths(directory: string): LocalPaths {
  const sealed = join(directory, 'packs')
  const staging = join(directory, 'staging', 'packs')
  const sealedPack = (name: PackName): string => join(directory, sealedPackPath(name))
  return {
    directory,
    format: join(directory, formatName),
    sealed,
    staging,
    fanOut: (name) => dirname(sealedPack(name)),
    sealedPack,
    stagedPack: (name) => join(staging, `${name}.zip`),
    staged: (file) => join(staging, file),
  }
}

/** Creates the directory and its format file if they are missing, durably.
 *  Errors: invalid_request, when the format is a different one, or when there are packs but no
 *  format file. */
export async function ensureLayout(paths: LocalPaths, fileSystem: PackFileSystem): Promise<void> {
  const found = (await readSmallFile(fileSystem, paths.format, 64))?.toString('latin1')
  if (found !== undefined && found !== packFormat) {
    throw refused(
      `has format ${JSON.stringify(found)}, but this version supports only ${JSON.stringify(packFormat)}`,
    )
  }
  if (found === undefined) await makeDirectory(paths.directory, fileSystem)
  await makeDirectory(paths.sealed, fileSystem)
  await makeDirectory(paths.staging, fileSystem)
  if (found === undefined) await writeFormat(paths, fileSystem)
}

/** Runs last, so that a directory with a format file is complete. */
async function writeFormat(paths: LocalPaths, fileSystem: PackFileSystem): Promise<void> {
  if ((await fileSystem.readdir(paths.sealed)).length > 0) {
    throw refused('has packs but no file "format", so their format is unknown')
  }
  const staged = paths.staged(`format-${randomBytes(8).toString('hex')}`)
  await writeInPlace(fileSystem, { staged, path: paths.format, bytes: Buffer.from(packFormat) })
}

function refused(what: string): StoreError {
  return invalidRequest('data', `the pack directory ${what}`)
}

/** Returns a function that creates 2-hex directories on first use: 256 empty ones would waste a
 *  megabyte. Concurrent calls share one result, because a directory that another seal created is
 *  durable only once that seal has synced `packs`. */
export function createFanOut(
  paths: LocalPaths,
  fileSystem: PackFileSystem,
): (name: PackName) => Promise<void> {
  const ready = new Map<string, Promise<void>>()
  return async (name) => {
    const path = paths.fanOut(name)
    let making = ready.get(path)
    if (making === undefined) {
      making = makeDirectory(path, fileSystem)
      ready.set(path, making)
    }
    try {
      await making
    } catch (error) {
      ready.delete(path)
      throw error
    }
  }
}
