/** What a round forgets, in which order, and how old it is by then. */
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { forgetHistory } from '../../src/lifecycle/collect/forget-history.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { day } from './collection.ts'

/** Metadata in which every step deletes something twice, and the steps as they are called. */
function recording(): { metadata: Metadata; steps: [string, number][] } {
  const steps: [string, number][] = []
  const twice = (name: string) => {
    let left = 2
    return async (by: number): Promise<number> => {
      steps.push([name, by])
      return --left
    }
  }
  const metadata: Partial<Metadata> = {
    purgeActs: twice('acts'),
    purgeTombstones: twice('tombstones'),
    purgeRunRecords: twice('records'),
    purgeRuns: async (by, { after }) => {
      steps.push([`runs after ${after}`, by])
      return after === 0 ? 7 : null
    },
    purgeRevocations: twice('revocations'),
    purgeTokens: twice('tokens'),
    purgePeople: twice('people'),
  }
  return { metadata: metadata as Metadata, steps }
}

const now = 1000 * day
const times = { now, historyMs: 90 * day }

test('what refers to something is forgotten before it, until nothing is left', async () => {
  const { metadata, steps } = recording()
  await forgetHistory({ metadata, signal: undefined }, times)
  const twice = (name: string, by: number): [string, number][] => [
    [name, by],
    [name, by],
  ]
  expect(steps).toEqual([
    ...twice('acts', 910 * day),
    ...twice('tombstones', 910 * day),
    ...twice('records', 910 * day),
    ['runs after 0', 910 * day],
    ['runs after 7', 910 * day],
    ...twice('revocations', now),
    ...twice('tokens', now),
    ...twice('people', now - limits.signInsKeptMs),
  ])
})

test.each(['acts', 'runs after 0'])('it can be stopped after %s', async (last) => {
  const { metadata, steps } = recording()
  const stop = new AbortController()
  const push = steps.push.bind(steps)
  steps.push = (step) => {
    if (step[0] === last) stop.abort(new Error('the server stops'))
    return push(step)
  }
  const forgetting = forgetHistory({ metadata, signal: stop.signal }, times)
  await expect(forgetting).rejects.toThrow('the server stops')
  expect(steps.at(-1)![0]).toBe(last)
})
