/** The secret of a data directory. */
import { mkdtemp, readdir, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type * as Keys from '../../src/auth/key.ts'
import { findKeys, openKeyFile, openKeys } from '../../src/auth/key.ts'

async function freshDir(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'trove-key-')), 'data')
}

test('the first opening creates a secret that only its owner may read; later ones read it', async () => {
  const dir = await freshDir()
  const first = await openKeys(dir)
  expect((await stat(join(dir, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'secret.key'))).size).toBe(32)
  expect(await openKeys(dir)).toEqual(first)
  expect(await findKeys(dir)).toEqual(first)
  expect(await readdir(dir)).toEqual(['secret.key'])
})

test('concurrent openings agree on one secret', async () => {
  const dir = await freshDir()
  const keys = await Promise.all(Array.from({ length: 10 }, () => openKeys(dir)))
  for (const each of keys) expect(each).toEqual(keys[0])
  expect(await readdir(dir)).toEqual(['secret.key'])
})

const refused = Object.assign(new Error('may not be done'), { code: 'EPERM' })

/** The module with a call of the file system that fails with EPERM. Other test files share the
 *  modules of this process, so none that was loaded meanwhile may stay. */
async function keysWithout(call: 'link' | 'writeFile'): Promise<typeof Keys> {
  const failing = async (): Promise<never> => await Promise.reject(refused)
  vi.doMock('node:fs/promises', async (original) => ({
    ...(await original<object>()),
    [call]: failing,
  }))
  vi.resetModules()
  onTestFinished(() => {
    vi.doUnmock('node:fs/promises')
    vi.resetModules()
  })
  return await import('../../src/auth/key.ts')
}

// Goal: a data directory may be on a file system without hard links.
// Method: link() is mocked to fail as it does there, since a test cannot mount one.
test('a secret is created on a file system without hard links', async () => {
  const keys = await keysWithout('link')
  const dir = await freshDir()
  const first = await keys.openKeys(dir)
  expect(await findKeys(dir)).toEqual(first)
  expect(await readdir(dir)).toEqual(['secret.key'])
})

test('a secret that could not be written leaves nothing behind', async () => {
  const dir = await freshDir()
  const unwritable = null as unknown as string
  await expect(openKeyFile(join(dir, 'secret.key'), () => unwritable)).rejects.toThrow(
    'must be of type string',
  )
  expect(await readdir(dir)).toEqual([])
})

test('a secret that may not be written is refused for that reason', async () => {
  const keys = await keysWithout('writeFile')
  await expect(keys.openKeys(await freshDir())).rejects.toBe(refused)
})

test('each purpose has its own key, and each directory its own secret', async () => {
  const keys = await openKeys(await freshDir())
  const others = await openKeys(await freshDir())
  expect(keys.tokens).not.toEqual(keys.signedUrls)
  expect(keys.tokens).not.toEqual(others.tokens)
})

test('a directory without a secret has no keys, and the error for a damaged secret names the file', async () => {
  const dir = await freshDir()
  expect(await findKeys(dir)).toBeUndefined()
  await openKeys(dir)
  await truncate(join(dir, 'secret.key'), 31)
  await expect(openKeys(dir)).rejects.toThrow('must hold 32 bytes, but holds 31')
})
