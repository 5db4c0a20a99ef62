/** What deleting artifacts frees, and what other artifacts still hold; each stored byte counts
 *  once. */
import { expect, test } from 'vitest'
import { explainDeletion } from '../../src/lifecycle/collect/deletion.ts'
import { pseudoRandom } from '../client/tree.ts'
import { openStore } from '../ingest/open-store.ts'

const now = Date.UTC(2026, 0, 2)

/** In kilobytes, rounded to tens, since packs have some framing. */
interface Explained {
  freed: number
  shared: number
}

async function openBuilds(): Promise<{
  put(name: string, files: Record<string, Buffer>): Promise<number>
  putZip(name: string, files: Record<string, Buffer>): Promise<number>
  explain(...ids: number[]): Promise<Explained>
}> {
  const store = await openStore()
  return {
    put: store.putTar,
    putZip: store.putZip,
    explain: async (...ids) => {
      const { freedBytes, sharedBytes } = await explainDeletion(store.metadata, ids, now)
      return { freed: tens(freedBytes), shared: tens(sharedBytes) }
    },
  }
}

function tens(bytes: number): number {
  return Math.round(bytes / 10_000) * 10
}

test('content that another artifact holds counts as shared, until both are deleted', async () => {
  const { put, explain } = await openBuilds()
  const common = pseudoRandom(60_000, 'common')
  const a = await put('a', { common, own: pseudoRandom(20_000, 'a') })
  const b = await put('b', { common, own: pseudoRandom(30_000, 'b') })
  expect(await explain(a)).toEqual({ freed: 20, shared: 60 })
  expect(await explain(b)).toEqual({ freed: 30, shared: 60 })
  expect(await explain(a, b)).toEqual({ freed: 110, shared: 0 })
})

test('of two artifacts with the same tree everything is shared, and nothing when both are deleted', async () => {
  const { put, explain } = await openBuilds()
  const files = { small: pseudoRandom(50_000, 's'), large: pseudoRandom(300_000, 'l') }
  const a = await put('a', files)
  const b = await put('b', files)
  expect(await explain(a)).toEqual({ freed: 0, shared: 350 })
  expect(await explain(a, b)).toEqual({ freed: 350, shared: 0 })
})

/** Text that deflates to about this many bytes; content that does not deflate is cut into larger
 *  chunks. */
function text(storedBytes: number, seed: string): Buffer {
  return Buffer.from(pseudoRandom(storedBytes, seed).toString('base64'))
}

test('content that an artifact holds more than once is not shared', async () => {
  const { put, explain } = await openBuilds()
  const content = pseudoRandom(80_000, 'twice')
  const block = text(400_000, 'block')
  const id = await put('a', { content, again: content, large: Buffer.concat([block, block]) })
  const { freed, shared } = await explain(id)
  expect(shared).toBe(0)
  expect(freed).toBeGreaterThanOrEqual(480)
  // Where the blocks meet, chunks are cut differently.
  expect(freed).toBeLessThan(700)
})

test('chunks that large files have in common are shared, though the files are not', async () => {
  const { put, explain } = await openBuilds()
  const common = text(600_000, 'common')
  const a = await put('a', { large: Buffer.concat([common, text(200_000, 'a')]) })
  await put('b', { large: Buffer.concat([common, text(200_000, 'b')]) })
  const { freed, shared } = await explain(a)
  expect(Math.abs(freed + shared - 800)).toBeLessThan(30)
  expect(shared).toBeGreaterThan(400)
  expect(shared).toBeLessThan(620)
})

test('a stream that only a zip names is freed with it, though its content stays', async () => {
  const { put, putZip, explain } = await openBuilds()
  const content = text(60_000, 'same')
  await put('tar', { content })
  expect(await explain(await putZip('zip', { content }))).toEqual({ freed: 60, shared: 60 })
})
