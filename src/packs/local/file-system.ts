/** The few file system calls that packs need, as a narrow interface. Through it tests observe the
 *  order of calls, which no crash test can see, and make any call fail. Calls may transfer less
 *  than asked, as the system's own may. */
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ignoringAbsence } from './errno.ts'
import { hasErrno } from '../../core/errors.ts'

export interface PackFile {
  /** Returns how many bytes were written, at least one. */
  write(bytes: Uint8Array, position: number): Promise<number>
  /** Reads into `target` from its beginning; returns how many bytes were read, 0 at the end of the
   *  file. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Makes the file's bytes durable; for a directory, its entries. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileFacts {
  sizeBytes: number
  modifiedAt: number
  /** Names of a file, also in other directories. */
  links: number
}

/** Fails like `node:fs`, with errno codes. */
export interface PackFileSystem {
  /** `read` opens an existing file or directory. `create` opens a new file for writing; fails when
   *  it exists. */
  open(path: string, mode: 'read' | 'create'): Promise<PackFile>
  mkdir(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  link(path: string, alias: string): Promise<void>
  /** Names in the directory, in no particular order. */
  readdir(path: string): Promise<string[]>
  stat(path: string): Promise<FileFacts>
}

/** The real file system. */
export const nodeFileSystem: PackFileSystem = {
  open: async (path, mode) => fileOf(await open(path, mode === 'read' ? 'r' : 'wx')),
  mkdir: async (path) => {
    // Private whatever the parent directory allows: backups and packs hold what tokens protect.
    await mkdir(path, { mode: 0o700 })
  },
  rename,
  unlink,
  link,
  readdir: async (path) => await readdir(path),
  stat: async (path) => {
    const facts = await stat(path)
    return { sizeBytes: facts.size, modifiedAt: facts.mtimeMs, links: facts.nlink }
  },
}

function fileOf(handle: FileHandle): PackFile {
  return {
    write: async (bytes, position) =>
      (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    read: async (target, position) =>
      (await handle.read(target, 0, target.length, position)).bytesRead,
    sync: async () => await handle.sync(),
    close: async () => await handle.close(),
  }
}

/** Makes the entries of a directory durable. A new or renamed file survives a power loss only after
 *  this. */
export async function syncDirectory(path: string, fileSystem: PackFileSystem): Promise<void> {
  const directory = await fileSystem.open(path, 'read')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Creates a directory and its missing parents, durably. An existing one is made durable too,
 *  because its creator may have ended before doing so. */
export async function makeDirectory(path: string, fileSystem: PackFileSystem): Promise<void> {
  const make = async (): Promise<void> => {
    try {
      await fileSystem.mkdir(path)
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
  }
  try {
    await make()
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') || dirname(path) === path) throw error
    await makeDirectory(dirname(path), fileSystem)
    await make()
  }
  await syncDirectory(dirname(path), fileSystem)
}

/** Writes all of `bytes` at `position`. */
export async function writeAll(file: PackFile, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length)
    written += await file.write(bytes.subarray(written), position + written)
}

/** Reads from `position` until `target` is full or the file ends; returns how many bytes were
 *  read. */
export async function readAll(
  file: PackFile,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0
  while (filled < target.length) {
    const read = await file.read(target.subarray(filled), position + filled)
    if (read === 0) break
    filled += read
  }
  return filled
}

/** Creates a file, which must not exist, with these bytes, and makes them durable. */
export async function writeNew(
  fileSystem: PackFileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await fileSystem.open(path, 'create')
  try {
    await writeAll(file, bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Writes a file to `staged`, which must not exist, and renames it to `path`, durably: after a
 *  crash all of it is there, or nothing. */
export async function writeInPlace(
  fileSystem: PackFileSystem,
  { staged, path, bytes }: { staged: string; path: string; bytes: Uint8Array },
): Promise<void> {
  await writeNew(fileSystem, staged, bytes)
  await fileSystem.rename(staged, path)
  await syncDirectory(dirname(path), fileSystem)
}

/** Returns the first `bytesMax` bytes of a file; undefined when it does not exist. */
export async function readSmallFile(
  fileSystem: PackFileSystem,
  path: string,
  bytesMax: number,
): Promise<Buffer | undefined> {
  const file = await ignoringAbsence(() => fileSystem.open(path, 'read'))
  if (file === undefined) return undefined
  try {
    const bytes = Buffer.alloc(bytesMax)
    return bytes.subarray(0, await readAll(file, bytes, 0))
  } finally {
    await file.close()
  }
}
