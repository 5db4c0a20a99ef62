/** Two promises to operators, tested from outside with the stock client and with `trove` against a
 *  running server. Space that a delete and a dry run announce is actually freed on disk. One bad
 *  byte costs one file, until the file is sent again. */
import { mkdtemp, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Outcome, runTrove } from '../cli/run-trove.ts'
import { makeDirectory, pseudoRandom } from '../client/tree.ts'
import { flipByte, packPaths } from '../lifecycle/stored-bytes.ts'
import { openStockClient } from './stock-client.ts'
import { startTrove, type TroveProcess } from './trove-process.ts'
import { digestsOf, readDigests, type Tree, writeTree } from './trees.ts'

const project = 'octo/demo'
let root: string
beforeEach(async () => {
  root = await makeDirectory()
})

interface Site {
  server: TroveProcess
  data: string
  /** `trove` with an admin token, in this project. */
  trove(...args: string[]): Promise<Outcome>
}

let sites = 0

async function openSite(): Promise<Site> {
  sites += 1
  const data = join(root, `data-${sites}`)
  const server = await startTrove(data, {
    TROVE_GC_INTERVAL: 'off',
    TROVE_SCRUB_INTERVAL: 'off',
    TROVE_MIN_FREE: '0',
    TROVE_LOG_LEVEL: 'error',
  })
  onTestFinished(async () => {
    await server.stop()
  })
  const access = {
    TROVE_URL: server.url,
    TROVE_TOKEN: await server.token(['--scope', 'admin', '--project', project]),
    TROVE_PROJECT: project,
    TROVE_CACHE_DIR: join(root, 'cache'),
  }
  const trove = async (...args: string[]): Promise<Outcome> => await runTrove(args, access)
  return { server, data, trove }
}

/** Uploads a tree as artifact `build` of a run. */
type Send = (site: Site, run: number, tree: Tree) => Promise<void>

const senders: [string, Send][] = [
  [
    'trove upload',
    async ({ trove }, run, tree) => {
      const directory = await mkdtemp(join(root, 'tree-'))
      await writeTree(directory, tree)
      const sent = await trove('upload', 'build', directory, '--run', String(run))
      expect([sent.status, sent.stderr]).toEqual([0, expect.any(String)])
    },
  ],
  [
    'the stock client',
    async ({ server }, run, tree) => {
      const directory = await mkdtemp(join(root, 'tree-'))
      const files = await writeTree(directory, tree)
      const token = await server.token(['--project', project, '--run', String(run), '--job', 'b'])
      const client = await openStockClient({ url: server.url, token })
      try {
        await client.uploadArtifact('build', files, directory)
      } finally {
        await client.close()
      }
    },
  ],
]

function jsonOf<T>({ status, text, stderr }: Outcome): T {
  expect([status, text === '' ? stderr : '']).toEqual([0, ''])
  return JSON.parse(text) as T
}

async function sumSizes(paths: string[]): Promise<number> {
  let sum = 0
  for (const path of paths) sum += (await stat(path)).size
  return sum
}

async function packBytes({ data }: Site): Promise<number> {
  return await sumSizes(await packPaths(join(data, 'cas')))
}

/** Bytes of the store on disk without its reserve. Stops the server, which checkpoints its log. */
async function diskBytes(site: Site): Promise<number> {
  await site.server.stop()
  return (await packBytes(site)) + (await stat(join(site.data, 'trove.db'))).size
}

/** Returns build `number`: a third of its small files and a piece of its large file differ from the
 *  build before. */
function build(number: number): Tree {
  const tree: Tree = {}
  for (let file = 0; file < 30; file++) {
    const version = Math.floor((number * 10 + file) / 30)
    tree[`dist/${file % 3}/module-${file}.js`] = pseudoRandom(20_000, `${file} ${version}`)
  }
  const large = Buffer.from(pseudoRandom(600_000, 'large'))
  pseudoRandom(50_000, `large ${number}`).copy(large, (number % 8) * 60_000)
  tree['bin/tool'] = large
  return tree
}

const kept = [1, 3, 5, 7, 9]
const deleted = [2, 4, 6, 8, 10]

describe.each(senders)('ten builds sent by %s, five deleted, trove gc --now', (_by, send) => {
  test('take the space of the other five alone, and free what was announced', async () => {
    const site = await openSite()
    for (let number = 1; number <= 10; number++) await send(site, number, build(number))

    const references = deleted.map((number) => `${number}/build`)
    const foretold = jsonOf<{ freedBytes: number }>(
      await site.trove('rm', '-n', '--json', ...references),
    )
    let announced = 0
    for (const reference of references)
      announced += jsonOf<{ freedBytes: number }>(
        await site.trove('rm', '--json', reference),
      ).freedBytes
    const before = await packBytes(site)
    const plan = jsonOf<{ freedBytes: number }>(
      await site.trove('gc', '--now', '--dry-run', '--json'),
    )
    expect(await packBytes(site)).toBe(before)
    const done = jsonOf<{ freedBytes: number; waitingBytes: number; deletedArtifacts: number }>(
      await site.trove('gc', '--now', '--json'),
    )
    const cameBack = before - (await packBytes(site))
    expect(cameBack).toBeGreaterThan(1_000_000)
    expect(done).toMatchObject({ freedBytes: cameBack, waitingBytes: 0, deletedArtifacts: 5 })
    // Framing is divided evenly among the copies of a pack, which is exact except for the end of
    // the pack.
    for (const bytes of [plan.freedBytes, announced, foretold.freedBytes])
      expect(Math.abs(bytes - cameBack)).toBeLessThan(cameBack / 100)

    for (const number of kept) {
      const directory = join(root, `fetched-${number}`)
      await site.trove('download', `${number}/build`, directory)
      expect(await readDigests(directory)).toEqual(digestsOf(build(number)))
    }
    const fresh = await openSite()
    for (const number of kept) await send(fresh, number, build(number))
    const [packs, freshPacks] = [await packBytes(site), await packBytes(fresh)]
    const [whole, freshWhole] = [await diskBytes(site), await diskBytes(fresh)]
    process.stdout.write(
      `${_by}: came back ${cameBack}; announced ${foretold.freedBytes}, ${announced}, ${plan.freedBytes}; ` +
        `packs ${packs} and ${freshPacks} fresh; with metadata ${whole} and ${freshWhole} fresh\n`,
    )
    expect(packs).toBeLessThan(freshPacks * 1.1)
    expect(whole).toBeLessThan(freshWhole * 1.1)
  })
})

const good: Tree = {
  'a.txt': 'alpha '.repeat(500),
  'dir/b.bin': pseudoRandom(9000, 'b'),
  'dir/c.txt': 'gamma '.repeat(500),
}
const bad = 'dir/b.bin'

/** Flips a byte of the bad file. Incompressible bytes are stored as they are, whoever deflated
 *  them. */
async function spoilBad({ data }: Site): Promise<void> {
  const needle = (good[bad] as Buffer).subarray(4000, 4100)
  for (const path of await packPaths(join(data, 'cas'))) {
    const offset = (await readFile(path)).indexOf(needle)
    if (offset >= 0) return await flipByte(path, offset + 50)
  }
  throw new Error('no pack holds the file')
}

describe.each(senders)('one flipped byte in a pack of what %s sent', (_by, send) => {
  test('is found by scrub, reported by path, costs one file, and heals when the same content is sent again', async () => {
    const site = await openSite()
    await send(site, 1, good)
    const [{ id }] = jsonOf<[{ id: number }]>(await site.trove('list', '--json'))
    const token = await site.server.token(['--scope', 'read', '--project', project])
    const get = async (path: string): Promise<Response> =>
      await fetch(`${site.server.url}/api/v1/artifacts/${id}${path}`, {
        headers: { authorization: `Bearer ${token}` },
      })
    const zip = Buffer.from(await (await get('/archive.zip')).arrayBuffer())
    expect((await site.trove('scrub')).status).toBe(0)
    await spoilBad(site)

    const found = await site.trove('scrub')
    expect([found.status, found.text]).toEqual([
      8,
      expect.stringContaining(`  id:${id}  ${project}@1/build\n    ${bad}\n`),
    ])
    expect(await (await get('')).json()).toMatchObject({ state: 'damaged', damagedFiles: [bad] })
    for (const [path, content] of Object.entries(good)) {
      const one = await site.trove('cat', `1/build:${path}`)
      if (path === bad) expect([one.status, one.text]).toEqual([8, ''])
      else expect(one.stdout).toEqual(Buffer.from(content))
    }
    expect(await (await get('/archive.zip')).json()).toMatchObject({ code: 'blob_damaged' })

    await send(site, 2, good)
    expect(await (await get('')).json()).toMatchObject({ state: 'available', damagedFiles: [] })
    expect((await site.trove('cat', `1/build:${bad}`)).stdout).toEqual(good[bad])
    expect(Buffer.from(await (await get('/archive.zip')).arrayBuffer())).toEqual(zip)
    expect((await site.trove('scrub')).status).toBe(0)
  })
})
