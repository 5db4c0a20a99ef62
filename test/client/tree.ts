/** Directory trees for tests of the client. */
import { createCipheriv, createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { whenOver } from './when-over.ts'

/** Makes a directory with this content. It is removed when the test has ended, or all tests of the
 *  file when called at its top level. */
export async function makeDirectory(content: TreeSpec = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'trove-test-'))
  whenOver(async () => await rm(directory, { recursive: true, force: true }))
  await makeTree(directory, content)
  return directory
}

/** Content of a file, `-> TARGET` for a symlink, null for an empty directory. */
export type TreeSpec = Record<string, string | Buffer | null>

export async function makeTree(root: string, spec: TreeSpec): Promise<void> {
  for (const [path, content] of Object.entries(spec)) {
    const full = join(root, path)
    await mkdir(content === null ? full : dirname(full), { recursive: true })
    if (content === null) continue
    if (typeof content === 'string' && content.startsWith('-> '))
      await symlink(content.slice(3), full)
    else await writeFile(full, content)
  }
}

/** Every entry below `root`. Since Node 26, `readdir` with `recursive` follows symlinks. */
export async function entriesBelow(root: string): Promise<Dirent[]> {
  const entries = await readdir(root, { withFileTypes: true })
  const directories = entries.filter((entry) => entry.isDirectory())
  const below = directories.map(async ({ name }) => await entriesBelow(join(root, name)))
  return [...entries, ...(await Promise.all(below)).flat()]
}

/** Describes every path below `root` with its mode and content; equal results mean equal trees. */
export async function describeTree(root: string): Promise<Record<string, string>> {
  const told: Record<string, string> = {}
  for (const entry of await entriesBelow(root)) {
    const full = join(entry.parentPath, entry.name)
    const { mode } = await lstat(full)
    const bits = (mode & 0o777).toString(8)
    const path = full.slice(root.length + 1)
    if (entry.isSymbolicLink()) told[path] = `link to ${await readlink(full)}`
    else if (entry.isDirectory()) told[path] = `directory ${bits}`
    else
      told[path] = `file ${bits} ${createHash('sha256')
        .update(await readFile(full))
        .digest('hex')}`
  }
  return told
}

/** A tree with difficult cases: modes, symlinks, empty files and directories, unusual names. */
export async function makeHardTree(root: string): Promise<void> {
  await makeTree(root, {
    'a.txt': 'hello',
    'a/b/c/d/e/f/g/h/deep.txt': 'deep',
    'a-b': 'sorts between a and a/',
    'empty-file': '',
    'empty-directory': null,
    'run.sh': '#!/bin/sh\n',
    private: null,
    'private/secret': 'p',
    'forbidding/x': 'in a directory that cannot be written',
    link: '-> a/b',
    dangling: '-> nowhere/at/all',
    absolute: '-> /etc/passwd',
    '\u00e9': 'NFC',
    'e\u0301': 'NFD',
    ['n'.repeat(255)]: 'longest name',
    '.hidden/.file': 'h',
    'twice/1': lines(200_000),
    'twice/2': lines(200_000),
    'random.bin': pseudoRandom(3_000_000, 'r'),
  })
  await chmod(join(root, 'run.sh'), 0o755)
  await chmod(join(root, 'a.txt'), 0o600)
  await chmod(join(root, 'private'), 0o700)
  await chmod(join(root, 'forbidding'), 0o555)
}

export function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index}`).join('\n')
}

/** Incompressible bytes, the same for the same seed. */
export function pseudoRandom(length: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}
