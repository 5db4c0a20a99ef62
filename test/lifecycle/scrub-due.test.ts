/** Scrubs: which packs a pass takes, whatever the clock says, and what only `unzip` would miss. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { openStore } from '../ingest/open-store.ts'
import { day, scrubNow } from './collection.ts'
import { flipByte, packPaths } from './stored-bytes.ts'

test.each([
  ['of what is older than a day leaves packs that were just written', { olderThanMs: day }, 0, 0],
  ['of it takes them a day later', { olderThanMs: day }, 2 * day, 1],
])('a scrub %s', async (_what, options, later, packs) => {
  const store = await openStore()
  await store.putTar('tree', { 'a.txt': 'alpha' })
  const at = Date.now() + later
  const ports = { ...store.ports, now: () => at }
  expect(await scrubNow(ports, options)).toMatchObject({ packs })
})

test('a pass whose clock is set back records that packs were verified no earlier than it began', async () => {
  const store = await openStore()
  await store.putTar('tree', { 'a.txt': 'alpha' })
  const begun = store.ports.now()
  let at = begun
  const recorded: number[] = []
  const recordVerification = async (_pack: number, verifiedAt: number): Promise<void> => {
    recorded.push(verifiedAt)
  }
  const checkpoint = (): void => {
    at = begun - day
  }
  const metadata = { ...store.metadata, recordVerification }
  await scrubNow({ ...store.ports, metadata, now: () => at, checkpoint })
  expect(recorded).toEqual([begun])
})

test('a pack is rewritten that lacks the final block of a stream', async () => {
  const store = await openStore()
  const content = 'some text, some text, some text'
  await store.putTar('tree', { 'a.txt': content })
  const [path] = await packPaths(join(store.directory, 'cas'))
  const stream = encodeJoiningSync(Buffer.from(content), 6)
  await flipByte(path!, (await readFile(path!)).indexOf(stream) + stream.length)
  const repaired = { rewrittenPacks: 1, damagedCopies: 0 }
  expect(await scrubNow(store.ports)).toMatchObject(repaired)
  expect(await scrubNow(store.ports)).toMatchObject({ rewrittenPacks: 0 })
})
