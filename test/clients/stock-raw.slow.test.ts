/** Single files uploaded without a zip (`archive: false`, library 6.2 and later), downloaded by new
 *  and old clients. */
import { hash } from 'node:crypto'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openStockClient } from './stock-client.ts'
import { openStore } from './store.ts'
import { readDigests } from './trees.ts'

const scratch = await makeDirectory()
const store = await openStore()
const place = { url: store.url, token: await store.token() }
const newest = await openStockClient(place, '@actions/artifact')
afterAll(newest.close)
const older = await openStockClient(place, 'artifact-v2')
afterAll(older.close)

/** Uploads one file as it is; the artifact then has the name of the file. */
async function uploadRaw(name: string, content: Buffer): Promise<{ id: number; digest: string }> {
  const directory = await mkdtemp(join(scratch, 'raw-'))
  const file = join(directory, name)
  await writeFile(file, content)
  const { id, digest } = await newest.uploadArtifact(name, [file], directory, { skipArchive: true })
  expect(digest).toBe(hash('sha256', content, 'hex'))
  return { id: id!, digest: digest! }
}

test.each([
  ['notes.txt', Buffer.from('one file, no zip')],
  ['empty.bin', Buffer.alloc(0)],
  ["it's 100%; größe.json", Buffer.from('{}')],
  ['report.html', Buffer.from('<p>'.repeat(200_000))],
])('%s is downloaded under its name with its bytes', async (name, content) => {
  const { id, digest } = await uploadRaw(name, content)
  const path = join(scratch, `new-${id}`)
  const { digestMismatch } = await newest.downloadArtifact(id, {
    path,
    expectedHash: `sha256:${digest}`,
  })
  expect(digestMismatch).toBe(false)
  expect(await readFile(join(path, name))).toEqual(content)
})

test.each([
  ['short.txt', Buffer.from('abc')],
  ['longer.txt', Buffer.from('a line of text\n'.repeat(1000))],
])(
  'a client that can only unzip gets %s in a zip, without a digest that it would compare',
  async (name, content) => {
    const { id } = await uploadRaw(name, content)
    const { artifact } = await older.getArtifact(name)
    expect(artifact.digest).toBeUndefined()
    const path = join(scratch, `old-${id}`)
    await older.downloadArtifact(id, { path })
    expect(await readDigests(path)).toEqual({ [name]: hash('sha256', content, 'hex') })
  },
)
