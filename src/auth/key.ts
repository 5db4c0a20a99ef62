/** The secret of a data directory: 32 random bytes in `secret.key`. One key is derived from it
 *  per purpose, so a MAC made for one purpose is never valid for another. Anyone who can read
 *  the file can mint any token. */
import { hkdfSync, randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errorCodeOf, invalidRequest } from '../core/errors.ts'
import { makeDurableDirectories } from '../make-directories.ts'

const secretBytes = 32

/** Derived keys, 32 bytes each. */
export interface Keys {
  tokens: Buffer
  signedUrls: Buffer
}

/** Reads the data directory's secret; creates the directory and the secret if missing. `given`:
 *  what it must be. Errors: invalid_request. */
export async function openKeys(dataDir: string, given: Buffer | null = null): Promise<Keys> {
  const path = secretPath(dataDir)
  const create = (): Buffer => randomBytes(secretBytes)
  return keysOf(path, await openKeyFile(path, { given, create }))
}

/** Reads the keys of a data directory that a server has used before; undefined when it has no
 *  secret. */
export async function findKeys(dataDir: string): Promise<Keys | undefined> {
  const path = secretPath(dataDir)
  const secret = await findKeyFile(path)
  return secret === undefined ? undefined : keysOf(path, secret)
}

function keysOf(path: string, secret: Buffer): Keys {
  if (secret.length === secretBytes) return deriveKeys(secret)
  throw invalidRequest(
    'secret.key',
    `${path} must hold ${secretBytes} bytes, but holds ${secret.length}`,
  )
}

/** Derives the key of each purpose from a secret of 32 bytes. */
export function deriveKeys(secret: Uint8Array): Keys {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `trove ${purpose}`, 32))
  return { tokens: derive('tokens'), signedUrls: derive('signed urls') }
}

/** Returns the contents of a key file. If the file is missing, creates it from `given` or else
 *  `create`, readable by its owner only, along with its directory. Two processes that start at
 *  once read the same contents. Errors: invalid_request (the file is not what is given). */
export async function openKeyFile(
  path: string,
  { given, create }: { given: Buffer | null; create: () => Uint8Array | string },
): Promise<Buffer> {
  makeDurableDirectories(dirname(path), 0o700)
  const found = (await findKeyFile(path)) ?? (await createKeyFile(path, given ?? create()))
  if (given === null || found.equals(given)) return found
  throw invalidRequest(
    basename(path),
    `${path} is another key than the environment gives; unset that variable, or move the file away`,
  )
}

async function findKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Error codes for a hard link on a file system that has none. */
const unlinkable: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

async function createKeyFile(path: string, content: Uint8Array | string): Promise<Buffer> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600, flush: true })
    await renameNew(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dirname(path))
  return await readFile(path)
}

/** Gives a file its name unless another has it. */
async function renameNew(temporary: string, path: string): Promise<void> {
  try {
    // Unlike a rename, a link never replaces: the first of two creators wins, and both read its
    // file.
    await link(temporary, path)
  } catch (error) {
    const code = errorCodeOf(error)
    // Without hard links (exFAT, some network shares) the last creator's file remains.
    if (unlinkable.has(code)) await rename(temporary, path)
    else if (code !== 'EEXIST') throw error
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function secretPath(dataDir: string): string {
  return join(dataDir, 'secret.key')
}
