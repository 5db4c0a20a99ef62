/** Packs in a local directory. Sealed ones are at `packs/<first 2 hex>/<32 hex>.zip`, unsealed ones
 *  in `staging/packs/` on the same file system, and the file `format` identifies the directory's
 *  layout. `local-sink.ts` writes packs. */
import { randomBytes } from 'node:crypto'
import { blobDamaged, hasErrno } from '../../core/errors.ts'
import { slicesOf } from '../../core/slices.ts'
import { ignoringAbsence, translateErrno } from './errno.ts'
import {
  type FileFacts,
  type PackFile,
  type PackFileSystem,
  nodeFileSystem,
  readAll,
  syncDirectory,
} from './file-system.ts'
import { type LocalPaths, createFanOut, createLocalPaths, ensureLayout } from './local-layout.ts'
import { createLocalSink } from './local-sink.ts'
import { checkPackName, checkSlice } from '../pack-layout.ts'
import { type ChoosePacks, type PackName, type PackStore, packNamesMax } from '../pack-store.ts'
import { createReadHandles } from './read-handles.ts'

export interface LocalPackStoreOptions {
  /** The CAS directory; created if it is missing. */
  directory: string
  fileSystem?: PackFileSystem
  /** Awaited at each step of sealing: `pack-written`, `pack-synced`, `pack-renamed`,
   *  `pack-directory-synced`. */
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
}

/** Errors: invalid_request, when the directory has a different format, or packs but no format file;
 *  storage_full. */
export async function openLocalPackStore(options: LocalPackStoreOptions): Promise<PackStore> {
  const { directory, fileSystem = nodeFileSystem, checkpoint } = options
  const paths = createLocalPaths(directory)
  await translateErrno('the pack directory', () => ensureLayout(paths, fileSystem))
  const handles = createReadHandles((name) => fileSystem.open(paths.sealedPack(name), 'read'))
  const ensureFanOut = createFanOut(paths, fileSystem)

  return {
    create: async (name = randomBytes(16).toString('hex')) => {
      checkPackName(name)
      const open = (): Promise<PackFile> => fileSystem.open(paths.stagedPack(name), 'create')
      const file = await translateErrno(`pack ${name}`, open)
      return createLocalSink({ name, file, paths, fileSystem, ensureFanOut, checkpoint })
    },
    read: async (name, offset, lengthBytes, into) => {
      checkPackName(name)
      checkSlice(offset, lengthBytes)
      const bytes = into?.subarray(0, lengthBytes) ?? Buffer.allocUnsafe(lengthBytes)
      const read = (file: PackFile): Promise<Buffer> => readExactly(file, { name, offset, bytes })
      return await translateErrno(`pack ${name}`, () =>
        reportingDamage(name, () => handles.use(name, read)),
      )
    },
    linkTo: async (name, path) => {
      checkPackName(name)
      return await translateErrno(`pack ${name}`, () =>
        whereLinksWork(() => fileSystem.link(paths.sealedPack(name), path)),
      )
    },
    remove: async (name) => {
      checkPackName(name)
      try {
        await translateErrno(`pack ${name}`, () => removeSealed(paths, fileSystem, name))
      } finally {
        // Not awaited: a read in flight may take long, and may still use the file.
        void handles.drop(name)
      }
    },
    list: (choose) => listSealed(paths, fileSystem, choose),
    names: () => nameSealed(paths, fileSystem),
    removeUnsealed: async (olderThan) =>
      await translateErrno('the staged packs', () => removeStaged(paths, fileSystem, olderThan)),
    close: async () => await handles.close(),
  }
}

/** Runs `link`; returns false for another file system, one without links, or a file with too many
 *  links (link(2), ERRORS). */
async function whereLinksWork(link: () => Promise<void>): Promise<boolean> {
  try {
    await link()
    return true
  } catch (error) {
    if (hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS')) return false
    throw error
  }
}

async function readExactly(
  file: PackFile,
  { name, offset, bytes }: { name: PackName; offset: number; bytes: Buffer },
): Promise<Buffer> {
  const readBytes = await readAll(file, bytes, offset)
  if (readBytes === bytes.length) return bytes
  throw blobDamaged(
    `pack ${name} is too short: expected ${bytes.length} bytes at ${offset}, got ${readBytes}`,
  )
}

/** Runs a read and reports a failing medium as damage. */
async function reportingDamage<T>(name: PackName, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!hasErrno(error, 'EIO')) throw error
    throw blobDamaged(`pack ${name} cannot be read: I/O error`, [], { cause: error })
  }
}

async function removeSealed(
  paths: LocalPaths,
  fileSystem: PackFileSystem,
  name: PackName,
): Promise<void> {
  await ignoringAbsence(() => fileSystem.unlink(paths.sealedPack(name)))
  // An earlier removal may have ended between the two steps, so this runs even when there was
  // nothing to unlink.
  await ignoringAbsence(() => syncDirectory(paths.fanOut(name), fileSystem))
}

const listing = 'the sealed packs'

async function* nameSealed(
  paths: LocalPaths,
  fileSystem: PackFileSystem,
): ReturnType<PackStore['names']> {
  const read = async (directory: string): Promise<string[]> =>
    (await translateErrno(listing, () => fileSystem.readdir(directory))).toSorted()
  for (const prefix of await read(paths.sealed)) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    const names = (await read(paths.fanOut(prefix))).flatMap((file) => {
      const name = /^([0-9a-f]{32})\.zip$/.exec(file)?.[1]
      return name?.startsWith(prefix) === true ? [name] : []
    })
    yield* slicesOf(names, packNamesMax)
  }
}

async function* listSealed(
  paths: LocalPaths,
  fileSystem: PackFileSystem,
  choose: ChoosePacks = async (names) => names,
): ReturnType<PackStore['list']> {
  for await (const names of nameSealed(paths, fileSystem)) {
    for (const name of await choose(names)) {
      const stat = (): Promise<FileFacts> => fileSystem.stat(paths.sealedPack(name))
      const facts = await translateErrno(listing, () => ignoringAbsence(stat))
      // Removed since the directory was read, so it is not listed.
      if (facts !== undefined) yield { name, ...facts }
    }
  }
}

/** Removes everything in staging that is old enough, including leftovers of format files. */
async function removeStaged(
  paths: LocalPaths,
  fileSystem: PackFileSystem,
  olderThan: number,
): Promise<number> {
  let removed = 0
  for (const file of await fileSystem.readdir(paths.staging)) {
    const path = paths.staged(file)
    const facts = await ignoringAbsence(() => fileSystem.stat(path))
    if (facts === undefined || facts.modifiedAt >= olderThan) continue
    // Absent: sealed or aborted in the meantime.
    const unlinked = await ignoringAbsence(async () => {
      await fileSystem.unlink(path)
      return true
    })
    if (unlinked === true) removed++
  }
  return removed
}
