/** What other programs do to DEST while a download puts its files into their places. */
import { chmodSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { runTrove } from '../cli/run-trove.ts'
import { startSeeingProxy } from './seeing-proxy.ts'
import { describeTree, makeDirectory, type TreeSpec } from './tree.ts'

const { url, token } = await openClientServer()
const client = createClient({ url, token, cacheDir: null })

/** Downloads `wanted` into `destination`; does `meanwhile` when everything has been fetched. */
async function download(
  wanted: TreeSpec,
  destination: string,
  meanwhile: () => void,
): Promise<unknown> {
  const { artifact } = await uploadDirectory(client, await makeDirectory(wanted))
  let isBegun = false
  return await client.download({
    artifact,
    destination,
    onProgress: ({ phase }) => {
      if (phase !== 'placing' || isBegun) return
      isBegun = true
      meanwhile()
    },
  })
}

test.each<TreeSpec>([{ 'd/file': 'f' }, { 'd/new/file': 'f' }, { 'd/link': '-> kept' }])(
  'nothing of %o is created through a symlink that replaces its directory',
  async (added) => {
    const back = await makeDirectory({ 'd/kept': 'k' })
    const outside = await makeDirectory()
    const downloading = download({ 'd/kept': 'k', ...added }, back, () => {
      renameSync(join(back, 'd'), join(outside, 'd'))
      symlinkSync(join(outside, 'd'), join(back, 'd'))
    })
    await expect(downloading).rejects.toThrow('is no longer a directory')
    expect(Object.keys(await describeTree(outside)).toSorted()).toEqual(['d', 'd/kept'])
  },
)

test.each(['d', 'd/file', 'd/in'])(
  'no mode is set through a symlink that replaces %s',
  async (replaced) => {
    // The upload has the default modes, and what is outside would get them.
    const back = await makeDirectory({ 'd/file': 'f', 'd/in/file': 'i' })
    const outside = await makeDirectory({ 'd/file': 'f', 'd/in/file': 'i' })
    const paths = ['d', 'd/file', 'd/in', 'd/in/file']
    for (const root of [back, outside])
      for (const path of paths) chmodSync(join(root, path), path.endsWith('file') ? 0o600 : 0o700)
    const before = await describeTree(outside)
    const downloading = download({ 'd/file': 'f', 'd/in/file': 'i', new: 'n' }, back, () => {
      rmSync(join(back, replaced), { recursive: true })
      symlinkSync(join(outside, replaced), join(back, replaced))
    })
    await expect(downloading).rejects.toThrow('another program changed it')
    expect(await describeTree(outside)).toEqual(before)
  },
)

test('a download does not succeed whose files are removed before they are in their places', async () => {
  const back = await makeDirectory()
  const downloading = download({ a: 'a', b: 'b' }, back, () => {
    rmSync(join(back, '.trove-partial'), { recursive: true })
  })
  await expect(downloading).rejects.toThrow('was removed during the download')
})

/** In a process that believes to be on another host. */
async function downloadElsewhere(from: string, id: number, destination: string): Promise<string> {
  const script = `
    import os from 'node:os'
    import { syncBuiltinESMExports } from 'node:module'
    os.hostname = () => 'another-host'
    syncBuiltinESMExports()`
  const { status, stderr } = await runTrove(['download', `id:${id}`, destination], {
    TROVE_URL: from,
    TROVE_TOKEN: token,
    TROVE_CACHE_DIR: '/dev/null',
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
  })
  return `${status} ${stderr}`
}

// One cannot see that the other runs, and takes over. Meanwhile the other goes on fetching.
test('a download into which one on another host takes over fails, and nothing of it is placed', async () => {
  const wanted = await makeDirectory({ a: 'a', b: 'of the second' })
  const first = await uploadDirectory(
    client,
    await makeDirectory({ a: 'of the first', b: 'b', 'new/c': 'c' }),
  )
  const second = await uploadDirectory(client, wanted)
  const back = await makeDirectory({ a: 'a', b: 'b' })
  let failing: Promise<string> = Promise.resolve('')
  const [begun, begin] = latch()
  const [taken, take] = latch()
  /** Passes requests on; those for contents after `wait`. */
  const holding = async (wait: () => Promise<unknown>): Promise<string> =>
    await startSeeingProxy(url, async (path) => {
      if (path.includes('/blobs/fetch')) await wait()
      return undefined
    })
  const slow = await holding(async () => {
    begin()
    await taken
  })
  const slower = await holding(async () => {
    take()
    await failing
  })
  failing = downloadElsewhere(slow, first.artifact.id, back)
  await begun
  const other = createClient({ url: slower, token, cacheDir: null })
  await other.download({ artifact: second.artifact, destination: back })
  expect(await failing).toMatch(/^1 [^]*was removed during the download/)
  const left = Object.entries(await describeTree(back))
  const placed = left.filter(([path]) => !path.startsWith('.trove-partial'))
  expect(Object.fromEntries(placed)).toEqual(await describeTree(wanted))
})

function latch(): [Promise<void>, () => void] {
  let open = (): void => {}
  return [
    new Promise((resolve) => {
      open = resolve
    }),
    open,
  ]
}
