/** Who gets a place in the ingest threads. */
import { expect, test } from 'vitest'
import { createPlaces, type Places } from '../../src/ingest/pool/places.ts'
import type { Place, PoolWorker } from '../../src/ingest/pool/pool-worker.ts'

const project = { mine: 1, other: 2 }

/** Places in one thread. */
function openPlaces(): Places {
  const jobs = new Set<Place>()
  return createPlaces([{ jobs } as PoolWorker], 1)
}

test('a new job does not overtake those of its project that wait', async () => {
  const places = openPlaces()
  const running = await Promise.all(Array.from({ length: 6 }, () => places.take(project.mine)))
  const waiting = places.take(project.mine)
  expect(places.takeArriving(project.mine)).toBeUndefined()
  expect(places.takeArriving(project.other)).toMatchObject({ projectId: project.other })
  places.free(running[0]!)
  expect(await waiting).toMatchObject({ projectId: project.mine, isArriving: false })
})

test('jobs that wait for their senders leave places for others', async () => {
  const places = openPlaces()
  const arriving = Array.from({ length: 10 }, (_, index) =>
    places.takeArriving(index % 2 === 0 ? project.mine : project.other),
  )
  expect(arriving.filter((place) => place !== undefined)).toHaveLength(4)
  const rest = Array.from({ length: 4 }, () => places.take(project.mine))
  expect(await Promise.all(rest)).toHaveLength(4)
})
