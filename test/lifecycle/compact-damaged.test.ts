/** How compaction treats bad bytes: it moves them unchanged, and affects nothing else. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { compactPacks, createPace } from '../../src/lifecycle/collect/compact.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { memberNamePrefix } from '../../src/packs/format/member-names.ts'
import { tarOf } from '../http/archives-of.ts'
import { openStore } from '../ingest/open-store.ts'
import { packPaths, spoil } from './stored-bytes.ts'

test('a bad copy gets a member of its own, so that unzip can still read its former neighbours', async () => {
  const store = await openStore()
  const [first, bad, last] = ['alpha ', 'beta ', 'gamma '].map((word) => word.repeat(500))
  const files = [first!, bad!, last!].map((content, index) => ({ name: `${index}`, content }))
  await store.put('tree', 'tar', Readable.from([await tarOf(files)]))
  const cas = join(store.directory, 'cas')
  await spoil(cas, encodeJoiningSync(Buffer.from(bad!), 6))
  const before = await packPaths(cas)
  const ever = Number.MAX_SAFE_INTEGER
  const due = {
    since: ever,
    now: ever,
    writtenBefore: ever,
    after: { verifiedAt: -1, id: 0 },
    limit: 10,
  }
  const packs = await store.metadata.listUnverifiedPacks(due)
  await compactPacks(store.ports, packs, createPace(null))

  const [after] = (await packPaths(cas)).filter((path) => !before.includes(path))
  const badName = memberNamePrefix(digestOf(Buffer.from(bad!)))
  const names: string[] = []
  const unpacked = unzipSync(await readFile(after!), {
    filter: ({ name }) => {
      names.push(name)
      return name !== badName
    },
  })
  expect(names).toContain(badName)
  const contents = Object.values(unpacked).map((bytes) => Buffer.from(bytes).toString())
  expect(contents).toContain(first)
  expect(contents).toContain(last)
})
