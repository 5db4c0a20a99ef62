import { expect, test } from 'vitest'
import { openStore } from '../ingest/open-store.ts'
import { collectInBackground } from './collection.ts'

// A large site makes hundreds of packs between two rounds.
test('a round merges the packs of all small uploads since the last one', async () => {
  const store = await openStore()
  for (let index = 0; index < 210; index++)
    await store.put(`file-${index}`, 'file', Buffer.from(`content ${index}`))
  expect(await collectInBackground(store.ports)).toMatchObject({ rewrittenPacks: 210 })
})
