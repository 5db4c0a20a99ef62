/** The secret of a data directory: 32 random bytes in `secret.key`, from which one key per purpose is derived, so that
 *  a MAC of one purpose is never valid for another. Whoever reads the file may mint any token. */
import { hkdfSync, randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { storeError } from '../core/errors.ts'
import { makeDirectories } from '../make-directories.ts'

const secretBytes = 32

/** Derived keys, 32 bytes each. */
export interface Keys {
  tokens: Buffer
  signedUrls: Buffer
}

/** Reads the data directory's secret, creating both when they are missing. Errors: invalid_request. */
export async function openKeys(dataDir: string): Promise<Keys> {
  const path = secretPath(dataDir)
  return keysOf(path, await openKeyFile(path, () => randomBytes(secretBytes)))
}

/** Reads the keys of a data directory that a server has used before; undefined when it has none. */
export async function findKeys(dataDir: string): Promise<Keys | undefined> {
  const path = secretPath(dataDir)
  const secret = await findKeyFile(path)
  return secret === undefined ? undefined : keysOf(path, secret)
}

function keysOf(path: string, secret: Buffer): Keys {
  if (secret.length === secretBytes) return deriveKeys(secret)
  throw storeError(
    'invalid_request',
    `${path} must hold ${secretBytes} bytes, it holds ${secret.length}`,
    { field: 'secret.key' },
  )
}

/** Derives the keys of each purpose from a secret of 32 bytes. */
export function deriveKeys(secret: Uint8Array): Keys {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `trove ${purpose}`, 32))
  return { tokens: derive('tokens'), signedUrls: derive('signed urls') }
}

/** What a file of keys holds, made of `create` and readable for its owner only when it is missing, as is its directory. Two
 *  processes that start at once end up with the same. */
export async function openKeyFile(
  path: string,
  create: () => Uint8Array | string,
): Promise<Buffer> {
  makeDirectories(dirname(path), 0o700)
  return (await findKeyFile(path)) ?? (await createKeyFile(path, create()))
}

async function findKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** What systems say of a hard link on a file system that has none. */
const unlinkable: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

async function createKeyFile(path: string, content: Uint8Array | string): Promise<Buffer> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // Unlike a rename, a link never replaces: the first of two creators wins and both read what it wrote.
    await link(temporary, path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // Where files have one name only, as on exFAT and some network shares, what stays is that of the last creator.
    if (unlinkable.has(code)) await rename(temporary, path)
    else if (code !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dirname(path))
  const written = await findKeyFile(path)
  if (written === undefined) throw new Error(`${path} vanished while it was created`)
  return written
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
