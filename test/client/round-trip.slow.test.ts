/** The tree that comes back is the tree that went in, by every way back: the client, and the
 *  system's `tar` and `unzip`. Two judges: `diff -r --no-dereference`, which is not ours, for
 *  names, contents and symlinks; and a description with modes. */
import { execFile } from 'node:child_process'
import { chmod, lstat, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { runTrove } from '../cli/run-trove.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { describeTree, lines, makeDirectory, makeHardTree, makeTree, pseudoRandom } from './tree.ts'

const run = promisify(execFile)

const { trove, token } = await startSharedServer()
const client = createClient({ url: trove.url, token, cacheDir: null })

/** Ways back. Archives are saved by the command and extracted by system programs. */
const ways = {
  native: async (id: number, back: string): Promise<void> => {
    const { treeDigest } = await detailOf(id)
    await client.download({ artifact: { id, treeDigest }, destination: back })
  },
  'tar.gz': async (id: number, back: string): Promise<void> => {
    await save(id, `${back}.tar.gz`)
    await run('tar', ['-xzpf', `${back}.tar.gz`, '-C', back])
    await rm(`${back}.tar.gz`)
  },
  zip: async (id: number, back: string): Promise<void> => {
    await save(id, `${back}.zip`)
    // Without a UTF-8 locale, `unzip` changes names.
    const env = { ...process.env, LC_ALL: 'C.UTF-8' }
    await run('unzip', ['-q', `${back}.zip`, '-d', back], { env })
    await rm(`${back}.zip`)
  },
}
const wayNames = Object.keys(ways) as (keyof typeof ways)[]

async function detailOf(id: number): Promise<{ treeDigest: string }> {
  for await (const artifact of client.list({ project: 'octo/demo' }))
    if (artifact.id === id) return artifact
  throw new Error(`no artifact ${id}`)
}

async function save(id: number, file: string): Promise<void> {
  const access = { TROVE_URL: trove.url, TROVE_TOKEN: token }
  const { status, stderr } = await runTrove(['download', `id:${id}`, '-o', file], access)
  expect({ status, stderr }).toMatchObject({ status: 0 })
}

async function expectSame(root: string, back: string): Promise<void> {
  // Exits with 1, and so throws, when anything differs.
  const { stdout } = await run('diff', ['-r', '--no-dereference', root, back])
  expect(stdout).toBe('')
  expect(await describeTree(back)).toEqual(await describeTree(root))
}

/** Lets users other than root remove it. */
async function open(...roots: string[]): Promise<void> {
  for (const root of roots) await chmod(join(root, 'forbidding'), 0o755)
}

describe.each(wayNames)('through %s', (way) => {
  test('modes, symlinks, empty files and directories, and names in NFC and NFD, of 255 bytes, and hidden, are kept', async () => {
    const [root, back] = [await makeDirectory(), await makeDirectory()]
    await makeHardTree(root)
    await makeTree(root, {
      [`${'\u00fc'.repeat(127)}x`]: '255 bytes, 128 characters',
      [`${'\u{1f600}'.repeat(63)}/f`]: 'a directory of 252 bytes',
      ' leading and trailing blanks ': 'b',
      'glob[*]?{a,b}!': 'g',
      'quote\'"`$&;|<>': 'q',
      '-rf': 'looks like a flag',
      'link to a directory': '-> a',
      'link that climbs': '-> ../../../..',
      'empty/inside/another': null,
      'A.TXT': 'differs from a.txt by case',
    })
    const { artifact } = await uploadDirectory(client, root)
    await ways[way](artifact.id, back)
    await expectSame(root, back)
    await open(root, back)
  })

  test('deep and long paths, and directories of many files, are kept', async () => {
    const root = await makeDirectory({
      [`${'d/'.repeat(200)}bottom`]: 'deep',
      [`${`${'n'.repeat(200)}/`.repeat(15)}long`]: 'a path of 3,019 bytes',
      ...Object.fromEntries(
        Array.from({ length: 3000 }, (_, index) => [`many/${index}`, `${index % 7}`]),
      ),
    })
    const back = await makeDirectory()
    const { artifact } = await uploadDirectory(client, root)
    await ways[way](artifact.id, back)
    await expectSame(root, back)
  })

  test('all permissions of files and directories are kept', async () => {
    const [root, back] = [await makeDirectory(), await makeDirectory()]
    const modes = [
      0o400, 0o444, 0o600, 0o640, 0o644, 0o664, 0o666, 0o700, 0o711, 0o755, 0o775, 0o777,
    ]
    for (const mode of modes) {
      const name = mode.toString(8)
      await makeTree(root, { [`f${name}`]: name, [`d${name}/inside`]: 'i', [`e${name}`]: null })
      await chmod(join(root, `f${name}`), mode)
      if ((mode & 0o700) !== 0o700) continue
      await chmod(join(root, `d${name}`), mode)
      await chmod(join(root, `e${name}`), mode)
    }
    const { artifact } = await uploadDirectory(client, root)
    await ways[way](artifact.id, back)
    await expectSame(root, back)
  })

  test('contents of all sizes around the thresholds of cutting and compression are kept', async () => {
    const [root, back] = [await makeDirectory(), await makeDirectory()]
    const sizes = [
      0, 1, 2, 4095, 4096, 65_535, 65_536, 131_071, 131_072, 131_073, 1_048_576, 3_000_001,
    ]
    await makeTree(
      root,
      Object.fromEntries(
        sizes.flatMap((size) => [
          [`random-${size}`, pseudoRandom(size, String(size))],
          [`zeros-${size}`, Buffer.alloc(size)],
          [`text-${size}`, lines(Math.ceil(size / 8)).slice(0, size)],
        ]),
      ),
    )
    const { artifact } = await uploadDirectory(client, root)
    await ways[way](artifact.id, back)
    await expectSame(root, back)
  })

  // Times in a zip have a resolution of two seconds.
  test('modification times are kept, to the second or to the resolution of zip', async () => {
    const tickMs = way === 'zip' ? 2000 : 1000
    const [root, back] = [await makeDirectory({ old: 'o', new: 'n' }), await makeDirectory()]
    await utimes(join(root, 'old'), 946_684_801, 946_684_801)
    await utimes(join(root, 'new'), 1_700_000_000, 1_700_000_000)
    const { artifact } = await uploadDirectory(client, root)
    await ways[way](artifact.id, back)
    expect((await lstat(join(back, 'old'))).mtimeMs).toBe(
      Math.floor(946_684_801_000 / tickMs) * tickMs,
    )
    expect((await lstat(join(back, 'new'))).mtimeMs).toBe(1_700_000_000_000)
  })
})
