/** The secret of a data directory. */
import { writeFileSync } from 'node:fs'
import type * as Files from 'node:fs/promises'
import { link, mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type * as Keys from '../../src/auth/key.ts'
import { findKeys, openKeyFile, openKeys } from '../../src/auth/key.ts'
import { testDirectory } from '../temporary-directory.ts'

function freshDir(): string {
  return join(testDirectory(), 'data')
}

test('the first opening creates a secret that only its owner may read; later ones read it', async () => {
  const dir = freshDir()
  const first = await openKeys(dir)
  expect((await stat(join(dir, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'secret.key'))).size).toBe(32)
  expect(await openKeys(dir)).toEqual(first)
  expect(await findKeys(dir)).toEqual(first)
  expect(await readdir(dir)).toEqual(['secret.key'])
})

test('a secret that is given is that of an empty directory, and must be that of any other', async () => {
  const [dir, other] = [freshDir(), freshDir()]
  const given = Buffer.alloc(32, 1)
  const keys = await openKeys(dir, given)
  expect(await readFile(join(dir, 'secret.key'))).toEqual(given)
  expect((await stat(join(dir, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect(await findKeys(dir)).toEqual(keys)
  expect(await openKeys(dir, given)).toEqual(keys)
  await openKeys(other)
  await expect(openKeys(other, given)).rejects.toThrow(
    `${join(other, 'secret.key')} is another key than the environment gives`,
  )
})

test('concurrent openings agree on one secret', async () => {
  const dir = freshDir()
  const keys = await Promise.all(Array.from({ length: 10 }, () => openKeys(dir)))
  for (const each of keys) expect(each).toEqual(keys[0])
  expect(await readdir(dir)).toEqual(['secret.key'])
})

/** The module with some calls of the file system replaced. Other test files share the modules of
 *  this process, so none that was loaded meanwhile may stay. */
async function keysWith(calls: Partial<typeof Files>): Promise<typeof Keys> {
  vi.doMock('node:fs/promises', async (original) => ({ ...(await original<object>()), ...calls }))
  vi.resetModules()
  onTestFinished(() => {
    vi.doUnmock('node:fs/promises')
    vi.resetModules()
  })
  return await import('../../src/auth/key.ts')
}

const failing = (code: string) => async (): Promise<never> =>
  await Promise.reject(Object.assign(new Error('may not be done'), { code }))

// Goal: a data directory may be on a file system without hard links.
// Method: link() is mocked to fail as it does there, since a test cannot mount one.
test('a secret is created on a file system without hard links', async () => {
  const keys = await keysWith({ link: failing('EPERM') })
  const dir = freshDir()
  const first = await keys.openKeys(dir)
  expect(await findKeys(dir)).toEqual(first)
  expect(await readdir(dir)).toEqual(['secret.key'])
})

test('who creates a secret later reads that of who was first', async () => {
  const path = join(freshDir(), 'secret.key')
  const create = (): string => {
    writeFileSync(path, 'first')
    return 'second'
  }
  expect((await openKeyFile(path, { given: null, create })).toString()).toBe('first')
})

// Tokens signed with a secret that a power loss takes away are worth nothing.
test('a new secret is on the disk before it has its name, and its name before it is used', async () => {
  const calls: string[] = []
  let endSync = (): void => undefined
  const synced = new Promise<void>((resolve) => {
    endSync = resolve
  })
  const keys = await keysWith({
    writeFile: async (path, content, options) => {
      await writeFile(path, content, options)
      calls.push(`write ${JSON.stringify(options)}`)
    },
    link: async (from, to) => {
      await link(from, to)
      calls.push('link')
    },
    open: async (path, ...flags) => {
      const file = await open(path, ...flags)
      const [sync, close] = [file.sync.bind(file), file.close.bind(file)]
      file.sync = async () => {
        calls.push(`sync ${basename(String(path))}`)
        await synced
        await sync()
      }
      file.close = async () => {
        await close()
        calls.push(`close ${basename(String(path))}`)
      }
      return file
    },
  })
  const dir = freshDir()
  let isOpen = false
  const opening = keys.openKeys(dir).then(() => {
    isOpen = true
  })
  const written = [expect.stringContaining('"flush":true'), 'link', 'sync data']
  await expect.poll(() => calls).toEqual(written)
  for (let turn = 0; turn < 5; turn++) await readFile(join(dir, 'secret.key'))
  expect(isOpen).toBe(false)
  endSync()
  await opening
  expect(calls).toEqual([...written, 'close data'])
})

test('a secret that could not be written leaves nothing behind', async () => {
  const dir = freshDir()
  const unwritable = null as unknown as string
  const path = join(dir, 'secret.key')
  const opening = openKeyFile(path, { given: null, create: () => unwritable })
  await expect(opening).rejects.toThrow('must be of type string')
  expect(await readdir(dir)).toEqual([])
})

test.each(['writeFile', 'link'] as const)(
  'a secret is refused for the reason why %s fails',
  async (call) => {
    const keys = await keysWith({ [call]: failing('EIO') })
    const dir = freshDir()
    await expect(keys.openKeys(dir)).rejects.toThrow('may not be done')
    expect(await readdir(dir)).toEqual([])
  },
)

test('a secret that cannot be read does not count as missing', async () => {
  const dir = freshDir()
  await mkdir(join(dir, 'secret.key'), { recursive: true })
  await expect(findKeys(dir)).rejects.toThrow('EISDIR')
  await expect(openKeys(dir)).rejects.toThrow('EISDIR')
})

test('each purpose has its own key, and each directory its own secret', async () => {
  const keys = await openKeys(freshDir())
  const others = await openKeys(freshDir())
  expect(keys.tokens).not.toEqual(keys.signedUrls)
  expect(keys.tokens).not.toEqual(others.tokens)
})

test('a directory without a secret has no keys, and the error for a damaged secret names the file', async () => {
  const dir = freshDir()
  expect(await findKeys(dir)).toBeUndefined()
  await openKeys(dir)
  await truncate(join(dir, 'secret.key'), 31)
  await expect(openKeys(dir)).rejects.toThrow('must hold 32 bytes, but holds 31')
})
