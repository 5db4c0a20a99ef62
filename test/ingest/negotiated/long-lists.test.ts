/** Lists of parts that claim sizes nobody could store (a list may name one part any number of
 *  times), and manifests of long lines. */
import { inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createLineKeeper } from '../../../src/ingest/negotiated/offered-entries.ts'
import { negotiate } from '../../../src/ingest/negotiated/negotiate.ts'
import type { IngestPorts } from '../../../src/ingest/session.ts'
import { openStore } from '../open-store.ts'
import { compositeOf, encoded, manifestOf, openSession, record } from './open-session.ts'

const part = Buffer.alloc(200_000, 'part ')
const small = Buffer.from('small')

/** Commits a small file and a large one of `count` parts; `announced` is the latter's length. */
async function commitWith(
  { count, announced }: { count: number; announced: number },
  settings: Parameters<typeof openStore>[0] = {},
  onRead: (abort: () => void) => void = () => undefined,
): Promise<{ committing: Promise<unknown>; reads: () => number }> {
  const store = await openStore(settings)
  const session = await openSession(store, 'mine/app')
  await session.step({ step: 'blobs' }, Buffer.concat([record(part), record(small)]))
  const parts = Array.from({ length: count }, () => part)
  const composite = {
    ...compositeOf([part]),
    parts: compositeOf(parts).parts,
    sizeBytes: announced,
  }
  await session.step({ step: 'parts' }, encoded({ ...composite, digest: 'f'.repeat(64) as never }))
  await session.offer({ small })
  let reads = 0
  const client = new AbortController()
  const packs: IngestPorts['packs'] = {
    ...store.packs,
    read: async (...place) => {
      reads += 1
      onRead(() => client.abort(new Error('gone')))
      return await store.packs.read(...place)
    },
  }
  const tree = {
    treeDigest: manifestOf({ small }).treeDigest,
    entryCount: 1,
    fileCount: 1,
    logicalBytes: small.length,
  }
  const committing = negotiate(
    { ...store.ports, packs },
    { step: 'commit', sessionId: session.id, sentOnly: false, tree, ...session.target },
    { signal: client.signal },
  )
  return { committing, reads: () => reads }
}

test('a file longer than announced is not read to its end', async () => {
  const { committing, reads } = await commitWith({ count: 640, announced: 300_000 })
  await expect(committing).rejects.toMatchObject({ code: 'digest_mismatch' })
  expect(reads()).toBeLessThan(20)
})

test('reading stops when the client has gone', async () => {
  const { committing, reads } = await commitWith(
    { count: 640, announced: 640 * part.length },
    {},
    (go) => {
      go()
    },
  )
  await expect(committing).rejects.toThrow('gone')
  expect(reads()).toBeLessThan(20)
})

test('files longer than an artifact may be are not read at all', async () => {
  const { committing, reads } = await commitWith(
    { count: 3, announced: 600_000 },
    { artifactBytesMax: 599_999 },
  )
  await expect(committing).rejects.toMatchObject({
    code: 'too_large',
    details: { setting: 'TROVE_MAX_ARTIFACT' },
  })
  expect(reads()).toBe(0)
})

// As strings, pages of 4,096 such lines took eight uploads beyond the heap of the thread, and ended
// the process.
test('long lines are kept in smaller pages, each a whole number of manifest pages', async () => {
  const pages: string[] = []
  const stageOffered = async (...[, , , page]: [string, string, number, Buffer]): Promise<void> =>
    void pages.push(inflateRawSync(page).toString())
  const keeper = createLineKeeper({ stageOffered, dropOffered: async () => {} }, 'id', 'entries')
  const lines = Array.from({ length: 5000 }, (_, at) => `${'ж'.repeat(2000)}${at}`)
  for (const line of lines) await keeper.add(line)
  await keeper.finish()
  expect(pages.join('')).toBe(`${lines.join('\n')}\n`)
  const counts = pages.map((page) => page.split('\n').length - 1)
  expect(counts).toEqual([...Array.from({ length: 9 }, () => 512), 5000 - 9 * 512])
})
