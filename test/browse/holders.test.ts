/** Finding the holders of a file while artifacts end. */
import { expect, test } from 'vitest'
import { findHolders } from '../../src/browse/holders.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import { createMemoryReader, fileEntry } from './memory-reader.ts'

test('a holder that ends while its path is searched for does not end the search', async () => {
  const reader = createMemoryReader([fileEntry('a', 'x')], [fileEntry('b', 'x')])
  const [kept, ended] = [1, 2].map((id) => ({ id, treeDigest: `${id}`, entryCount: 1 }))
  const metadata = {
    ...reader,
    listHolders: async () => [ended, kept] as unknown as Artifact[],
    readEntryPage: async (id: number, page: number) => {
      if (id === kept!.id) return await reader.readEntryPage(id, page)
      const details = { artifactId: id, deletedAt: 0, reason: 'deleted' }
      throw storeError('artifact_deleted', `artifact ${id} was deleted`, details)
    },
  }
  const page = { projectIds: null, now: 0, limit: 10 }
  expect(await findHolders(metadata, digestOf('x'), page)).toEqual([
    { artifact: ended, path: null },
    { artifact: kept, path: 'a' },
  ])
})
