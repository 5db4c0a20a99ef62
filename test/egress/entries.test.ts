/** Entries as members of archives. */
import { expect, test } from 'vitest'
import { representRunZip } from '../../src/egress/egress.ts'
import { tarMembers } from '../../src/egress/entries.ts'
import { countingTurns } from '../loop-turns.ts'
import { createMemoryStore } from './memory-store.ts'

test('members are yielded in order, a few at a time, with turns of the event loop in between', async () => {
  const store = createMemoryStore()
  const paths = Array.from({ length: 1200 }, (_, index) => `d${10_000 + index}`)
  const specs = paths.map((path) => ({ kind: 'directory', path }) as const)
  const artifact = store.addArtifact(specs)
  const seen: string[] = []
  let largest = 0
  const { turns } = await countingTurns(async () => {
    for await (const { members } of tarMembers(store.reader, artifact, undefined)) {
      largest = Math.max(largest, members.length)
      for (const { entry } of members) seen.push(entry.path)
    }
  })
  expect(seen).toEqual(paths)
  expect(largest).toBeLessThanOrEqual(100)
  expect(turns).toBeGreaterThan(10)
})

test('the zip of a run is not measured further when its client has gone', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact([{ kind: 'directory', path: 'd' }])
  const signal = AbortSignal.abort(new Error('the client hung up'))
  await expect(representRunZip(store.reader, [artifact], { signal })).rejects.toThrow('hung up')
})
