/** A download that trusts its cache of DEST has the same outcome as one that examines
 *  everything. */
import { chmod, mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Client, createClient } from '../../src/client/client.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory, makeTree, type TreeSpec } from './tree.ts'

const { trove, token } = await startSharedServer()

type Random = (below: number) => number

function randomOf(seed: number): Random {
  let state = seed * 2_654_435_761
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

const directories = ['', 'a', 'a/b', 'a/b/c', 'a-b', 'd', 'd/e']

const filesEach = 5
const bulk = Array.from({ length: 200 }, (_, index) => `bulk/f${index}`)

/** A few files in each of some directories, and many in a directory where nothing happens, so
 *  that most stay known; three symlinks, two empty directories. */
function treeOf(random: Random): TreeSpec {
  const names = directories.flatMap((directory) =>
    Array.from({ length: filesEach }, (_, index) => join(directory, `f${index}`)),
  )
  names.push(...bulk)
  return {
    ...Object.fromEntries(
      names.map((name) => [name, `${name} ${random(1000)}`.padEnd(random(600))]),
    ),
    'a/link': '-> f1',
    'd/dangling': '-> nowhere',
    'd/e/up': '-> ../..',
    'a/empty': null,
    'hollow/inner': null,
  }
}

async function upload(
  client: Client,
  spec: TreeSpec,
): Promise<Awaited<ReturnType<Client['upload']>>['artifact']> {
  const root = await makeDirectory(spec)
  // A file whose mtime is too recent is not cached.
  for (const [path, content] of Object.entries(spec)) {
    if (content !== null && !String(content).startsWith('-> '))
      await utimes(join(root, path), 1_700_000_000, 1_700_000_000)
  }
  return (await uploadDirectory(client, root)).artifact
}

/** What users and programs may do to a directory; each is applied to two directories in the same
 *  way. */
const mishaps: ((root: string, random: Random, outside: string) => Promise<void>)[] = [
  async (root, random) => await rm(anyFile(root, random)),
  async (root, random) => await writeFile(anyFile(root, random), 'other content'),
  async (root, random) => await chmod(anyFile(root, random), 0o600),
  async (root, random) => await chmod(join(root, anyDirectory(random)), 0o700),
  async (root, random) => await writeFile(join(root, anyDirectory(random), 'stranger'), 's'),
  async (root, random) =>
    await rm(join(root, anyDirectory(random)), { recursive: true, force: true }),
  async (root, random, outside) => await replaceByLink(join(root, anyDirectory(random)), outside),
  async (root, random, outside) => {
    const directory = join(root, anyDirectory(random))
    await replaceByLink(directory, outside)
    for (let index = 0; index < filesEach; index += 2)
      await chmod(join(directory, `f${index}`), 0o644)
  },
  async (root, random, outside) => await replaceByLink(anyFile(root, random), outside),
  async (root, random) => {
    const file = anyFile(root, random)
    await rm(file)
    await mkdir(file)
  },
  async (root, random) => {
    const file = anyFile(root, random)
    await rm(file)
    await makeTree(file, { precious: 'p' })
  },
  async (root) => {
    await rm(join(root, 'a/link'))
    await mkdir(join(root, 'a/link'))
  },
  async (root) => {
    await rm(join(root, 'a/empty'), { recursive: true })
    await writeFile(join(root, 'a/empty'), 'no directory')
  },
  async (root, _random, outside) => {
    await rm(join(root, 'd/e/up'))
    await symlink(outside, join(root, 'd/e/up'))
  },
]

function anyFile(root: string, random: Random): string {
  return join(root, anyDirectory(random), `f${random(filesEach)}`)
}

function anyDirectory(random: Random): string {
  return directories[1 + random(directories.length - 1)]!
}

/** The same files are still visible at their old paths, through the symlink. */
async function replaceByLink(path: string, outside: string): Promise<void> {
  const moved = join(outside, basename(path))
  await rename(path, moved)
  await symlink(moved, path)
}

async function damage(root: string, seed: number, outside: string): Promise<void> {
  const random = randomOf(seed)
  for (let count = 1 + random(3); count > 0; count--) {
    // Fails harmlessly when an earlier step has removed its path.
    await mishaps[random(mishaps.length)]!(root, random, outside).catch(() => {})
  }
}

describe('after arbitrary changes to DEST', () => {
  const seeds = Array.from({ length: 24 }, (_, index) => index + 1)

  test.each(seeds)('the outcome is the same, seed %d', async (seed) => {
    const random = randomOf(seed)
    const old = treeOf(random)
    const next = { ...old, [`a/f${random(filesEach)}`]: 'changed', 'new/file': 'n' }
    if (random(2) === 0) delete next[`d/f${random(filesEach)}`]
    const knowing = createClient({ url: trove.url, token, cacheDir: await makeDirectory() })
    const looking = createClient({ url: trove.url, token, cacheDir: null })
    const before = await upload(looking, old)
    const after = await upload(looking, next)
    const outcomes = await Promise.all(
      [knowing, looking].map(async (client) => {
        const destination = await makeDirectory()
        const outside = await makeDirectory()
        await client.download({ artifact: before, destination })
        // The second download reads nothing and makes everything known.
        await client.download({ artifact: before, destination })
        await damage(destination, seed, outside)
        const outsideBefore = await describeTree(outside)
        const told = await client.download({ artifact: after, destination }).then(
          ({ writtenFiles, deletedPaths }) => ({ writtenFiles, deletedPaths }),
          (error: Error) => error.message.replaceAll(destination, 'DEST'),
        )
        expect(await describeTree(outside)).toEqual(outsideBefore)
        const left = await describeTree(destination)
        return { told, left: withoutPlace(left, outside) }
      }),
    )
    expect(outcomes[0]).toEqual(outcomes[1])
  })
})

/** Normalizes symlinks that lead to a test's own directory. */
function withoutPlace(told: Record<string, string>, outside: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(told)
      .filter(([path]) => !path.startsWith('.trove-partial'))
      .map(([path, what]) => [path, what.replace(outside, 'OUTSIDE')]),
  )
}
