/** Lists of parts that claim sizes nobody could store: a list may name one part any number of
 *  times. */
import { expect, test } from 'vitest'
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
