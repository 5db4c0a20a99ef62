/** A scrub reads packs under a lease: it is renewed while reading, and nothing is judged after its
 *  end. */
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { blobDamaged } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import type { ScrubFinding } from '../../src/lifecycle/scrub/scrub.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openStore } from '../ingest/open-store.ts'
import { day, scrubNow } from './collection.ts'
import { spoil } from './stored-bytes.ts'

const files = { 'a.txt': 'alpha '.repeat(500), 'b.txt': 'beta '.repeat(500), 'c.txt': 'gamma' }

test('the lease of a scrub is renewed however long the reads of a pack take', async () => {
  const store = await openStore()
  await store.putTar('tree', files)
  let at = 1_000_000
  vi.spyOn(performance, 'now').mockImplementation(() => at)
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  let reads = 0
  const read: PackStore['read'] = async (...place) => {
    at += limits.readLeaseSlackMs
    reads += 1
    // Then each copy is read alone.
    if (reads === 1) throw blobDamaged('bad sector')
    return await store.packs.read(...place)
  }
  const ports = { ...store.ports, now: () => at, packs: { ...store.packs, read } }
  expect(await scrubNow(ports)).toMatchObject({ copies: 3, damagedCopies: 0 })
  expect(reads).toBeGreaterThan(4)
})

test('nothing is judged by what was read after the lease had ended', async () => {
  const store = await openStore()
  const id = await store.putTar('tree', files)
  await spoil(join(store.directory, 'cas'), encodeJoiningSync(Buffer.from(files['b.txt']), 6))
  let at = store.ports.now()
  const checkpoint = (name: string): void => {
    if (name === 'scrub-copies-read') at += day
  }
  const findings: ScrubFinding[] = []
  const onFinding = (finding: ScrubFinding): void => {
    findings.push(finding)
  }
  const scrubbed = scrubNow({ ...store.ports, now: () => at, checkpoint }, { onFinding })
  await expect(scrubbed).rejects.toMatchObject({ code: 'session_ended' })
  expect(findings).toMatchObject([{ kind: 'unjudged' }])
  expect(await store.metadata.findArtifact(id)).toMatchObject({ state: 'available' })
})
