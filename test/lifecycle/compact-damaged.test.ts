/** How compaction treats bad bytes: it moves them unchanged, and affects nothing else. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { compactPacks, createPace } from '../../src/lifecycle/collect/compact.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { memberNamePrefix } from '../../src/packs/format/member-names.ts'
import { openStore } from '../ingest/open-store.ts'
import { packPaths, spoil, wholePacks } from './stored-bytes.ts'

test('a bad copy gets a member of its own, so that unzip can still read its former neighbours', async () => {
  const store = await openStore()
  const [first, bad, last] = ['alpha ', 'beta ', 'gamma '].map((word) => word.repeat(500))
  await store.putTar('tree', { 0: first!, 1: bad!, 2: last! })
  const cas = join(store.directory, 'cas')
  await spoil(cas, encodeJoiningSync(Buffer.from(bad!), 6))
  const before = await packPaths(cas)
  await compactPacks(store.ports, await wholePacks(store.metadata), createPace(null))

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
