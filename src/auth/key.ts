/** The secret of a data directory: 32 random bytes in `secret.key`, from which one key per purpose is derived, so that
 *  a MAC of one purpose is never valid for another. Whoever reads the file may mint any token. */
import { hkdfSync, randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { storeError } from '../core/errors.ts'
import { makeDirectories } from '../make-directories.ts'

const secretBytes = 32

/** Derived keys, 32 bytes each. */
export interface Keys {
  tokens: Buffer
  signedUrls: Buffer
}

/** Reads the data directory's secret, creating both when they are missing. Two processes that start at once end up with
 *  the same secret. Errors: invalid_request. */
export async function openKeys(dataDir: string): Promise<Keys> {
  makeDirectories(dataDir, 0o700)
  return deriveKeys((await readSecret(dataDir)) ?? (await createSecret(dataDir)))
}

/** Reads the keys of a data directory that a server has used before; undefined when it has none. */
export async function findKeys(dataDir: string): Promise<Keys | undefined> {
  const secret = await readSecret(dataDir)
  return secret === undefined ? undefined : deriveKeys(secret)
}

/** Derives the keys of each purpose from a secret of 32 bytes. */
export function deriveKeys(secret: Uint8Array): Keys {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `trove ${purpose}`, 32))
  return { tokens: derive('tokens'), signedUrls: derive('signed urls') }
}

async function readSecret(dataDir: string): Promise<Buffer | undefined> {
  const path = secretPath(dataDir)
  let secret: Buffer
  try {
    secret = await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (secret.length !== secretBytes) {
    throw storeError(
      'invalid_request',
      `${path} must hold ${secretBytes} bytes, it holds ${secret.length}`,
      { field: 'secret.key' },
    )
  }
  return secret
}

/** What systems say of a hard link on a file system that has none. */
const unlinkable: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

async function createSecret(dataDir: string): Promise<Buffer> {
  const temporary = `${secretPath(dataDir)}.${randomBytes(8).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(randomBytes(secretBytes))
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // Unlike a rename, a link never replaces: the first of two creators wins and both read its secret.
    await link(temporary, secretPath(dataDir))
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // Where files have one name only, as on exFAT and some network shares, what stays is the secret of the last creator.
    if (unlinkable.has(code)) await rename(temporary, secretPath(dataDir))
    else if (code !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dataDir)
  const secret = await readSecret(dataDir)
  if (secret === undefined) throw new Error(`${secretPath(dataDir)} vanished while it was created`)
  return secret
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
