import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import yauzl from 'yauzl'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import type { PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { isPresent, readDirectory } from './pack-members.ts'
import { fileDirectory } from '../temporary-directory.ts'

const run = promisify(execFile)
const root = fileDirectory()
let store: PackStore

beforeAll(async () => {
  store = await openLocalPackStore({ directory: root })
})

afterAll(async () => {
  await store.close()
})

function pathOf({ name }: SealedPack): string {
  return join(root, 'packs', name.slice(0, 2), `${name}.zip`)
}

test('a pack of more than 65,535 members is a ZIP64 that every reader reads', async () => {
  const count = 70_000
  const writer = await openPackWriter(store)
  for (let index = 0; index < count; index++) {
    const content = Buffer.from(`${index}`)
    const blobDigest = digestOf(content)
    const sizes = { sizeBytes: content.length, lengthBytes: content.length }
    await writer.append({ blobDigest, codec: 'stored', crc32: crc32(content), ...sizes }, content)
  }
  const sealed = await writer.seal()
  const entries = await readDirectory(store, sealed)
  expect(entries.length).toBe(count)
  expect(entries[69_999]).toMatchObject({ sizeBytes: 5, method: 0 })
  const last = await store.read(sealed.name, entries[69_999]!.offset, 5)
  expect(last.toString()).toBe('69999')
  const zip = await yauzl.openPromise(pathOf(sealed))
  expect(zip.entryCount).toBe(count)
  zip.close()
  if (await isPresent('unzip')) {
    const { stdout } = await run('unzip', ['-tqq', pathOf(sealed)])
    expect(stdout).toBe('')
  }
})
