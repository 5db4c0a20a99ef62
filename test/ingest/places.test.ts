/** Who gets a place in the ingest threads. */
import { expect, test } from 'vitest'
import { createPlaces, type Places } from '../../src/ingest/pool/places.ts'
import type { Place, PoolWorker } from '../../src/ingest/pool/pool-worker.ts'

const project = { mine: 1, other: 2 }

/** Places in some threads. */
function openPlaces(threads = 1): Places {
  const workers = Array.from({ length: threads }, () => ({ jobs: new Set<Place>() }) as PoolWorker)
  return createPlaces(workers, threads)
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

test('a project takes only its share of the places for jobs that wait for their senders', () => {
  const places = openPlaces()
  const arriving = Array.from({ length: 4 }, () => places.takeArriving(project.mine))
  expect(arriving.filter((place) => place !== undefined)).toHaveLength(3)
})

test('jobs go to the thread that runs the fewest, and wait when all are full', async () => {
  const places = openPlaces(2)
  for (let count = 1; count <= 8; count++) {
    const pair = await Promise.all([places.take(project.mine), places.take(project.other)])
    expect(pair.map(({ worker }) => worker.jobs.size)).toEqual([count, count])
  }
  const gone = new AbortController()
  const next = places.take(project.mine, gone.signal)
  gone.abort(new Error('it waited'))
  await expect(next).rejects.toThrow('it waited')
  await expect(places.take(project.mine, gone.signal)).rejects.toThrow('it waited')
})

test('whoever goes away takes no place and nobody else out of the line', async () => {
  const places = openPlaces()
  const running = await Promise.all(
    Array.from({ length: 8 }, (_, index) => places.take(index < 6 ? project.mine : project.other)),
  )
  const [begun, waiting] = [new AbortController(), new AbortController()]
  const first = places.take(project.other, begun.signal)
  const second = places.take(project.other, waiting.signal)
  const third = places.take(project.other)
  waiting.abort(new Error('the client has gone'))
  await expect(second).rejects.toThrow('the client has gone')
  places.free(running[0]!)
  await first
  begun.abort()
  places.free(running[1]!)
  expect(await third).toMatchObject({ projectId: project.other })
})

test('the line has an end, and one project takes only its share of it', () => {
  const places = openPlaces()
  const enter = (projectId: number, count: number): (() => void)[] =>
    Array.from({ length: count }, () => places.enterLine(projectId))
  const busy = expect.objectContaining({ code: 'busy' }) as Error
  const [leave] = enter(project.mine, 750)
  expect(() => places.enterLine(project.mine)).toThrow(busy)
  enter(project.other, 250)
  expect(() => places.enterLine(project.other)).toThrow(busy)
  leave!()
  enter(project.other, 1)
})

test('everyone who waits fails at the end', async () => {
  const places = openPlaces()
  await Promise.all(Array.from({ length: 6 }, () => places.take(project.mine)))
  const waiting = places.take(project.mine)
  places.end(new Error('the server is stopping'))
  await expect(waiting).rejects.toThrow('the server is stopping')
})
