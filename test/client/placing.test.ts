/** What other programs do to DEST while a download puts its files into their places. */
import { renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
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

test('a download does not succeed whose files are removed before they are in their places', async () => {
  const back = await makeDirectory()
  const downloading = download({ a: 'a', b: 'b' }, back, () => {
    rmSync(join(back, '.trove-partial'), { recursive: true })
  })
  await expect(downloading).rejects.toThrow('was removed during the download')
})
