/** Only so many downloads hold memory at a time, owners take turns, and a client that reads slowly
 *  keeps nobody waiting. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createPlaces, type Place } from '../../src/egress/places.ts'

const forever = new AbortController().signal

function useFakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

/** Takes a place for each of `owners` in order, and notes who got one. */
function takeAll(
  places: ReturnType<typeof createPlaces>,
  owners: number[],
): { granted: number[]; held: Place[] } {
  const granted: number[] = []
  const held: Place[] = []
  for (const owner of owners)
    void places.take(owner, forever).then((place) => {
      granted.push(owner)
      held.push(place)
    })
  return { granted, held }
}

describe('places', () => {
  test('are taken up to their number, then passed on', async () => {
    const places = createPlaces(2)
    const { granted, held } = takeAll(places, [1, 1, 1])
    await settle()
    expect(granted).toEqual([1, 1])
    expect(places.count()).toBe(2)
    held[0]!.end()
    held[0]!.end()
    await settle()
    expect(granted).toEqual([1, 1, 1])
    for (const place of held) place.end()
    expect(places.count()).toBe(0)
  })

  test('go to waiting owners in turn, whoever has more downloads', async () => {
    const places = createPlaces(1)
    const { granted, held } = takeAll(places, [1, 1, 1, 1, 2, 2, 3])
    for (let turn = 0; turn < 7; turn++) {
      await settle()
      held[turn]!.end()
    }
    expect(granted).toEqual([1, 1, 2, 3, 1, 2, 1])
  })

  test('must be given up after 32 chunks, but only if somebody waits', async () => {
    const places = createPlaces(1)
    const place = await places.take(1, forever)
    const close = async (): Promise<void> => {}
    for (let chunk = 1; chunk < 32; chunk++) {
      expect(place.isOver()).toBe(false)
      place.waitForClient(close)
      expect(place.resume()).toBe(true)
    }
    expect(place.isOver()).toBe(false)
    const { granted } = takeAll(places, [1])
    expect(place.isOver()).toBe(true)
    place.end()
    await settle()
    expect(granted).toEqual([1])
  })

  test('are given up at once for an owner who has none', async () => {
    const places = createPlaces(2)
    const { granted, held } = takeAll(places, [1, 1, 1, 2])
    await settle()
    expect(held[0]!.isOver()).toBe(true)
    held[0]!.end()
    await settle()
    expect(granted).toEqual([1, 1, 2])
    expect(held[1]!.isOver()).toBe(false)
  })

  test('are taken from a client that reads nothing, once its memory is free', async () => {
    useFakeTime()
    const places = createPlaces(1)
    const slow = await places.take(1, forever)
    let freed!: () => void
    const close = vi.fn<() => Promise<void>>(() => new Promise((resolve) => (freed = resolve)))
    slow.waitForClient(close)
    const { granted, held } = takeAll(places, [2])
    await vi.advanceTimersByTimeAsync(900)
    expect(close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(500)
    expect(close).toHaveBeenCalledOnce()
    expect(granted).toEqual([])
    freed()
    await settle()
    expect(granted).toEqual([2])
    expect(slow.resume()).toBe(false)
    slow.end()
    expect(places.count()).toBe(1)
    held[0]!.end()
    expect(places.count()).toBe(0)
    await vi.advanceTimersByTimeAsync(2000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('stay with a slow client while beginning again would take much of the time', async () => {
    useFakeTime()
    const places = createPlaces(1)
    const slow = await places.take(1, forever)
    await vi.advanceTimersByTimeAsync(2000)
    slow.waitForClient(async () => {})
    const { granted } = takeAll(places, [2])
    await vi.advanceTimersByTimeAsync(7500)
    expect(granted).toEqual([])
    await vi.advanceTimersByTimeAsync(1000)
    expect(granted).toEqual([2])
  })

  test('are not for those who no longer wait', async () => {
    const places = createPlaces(1)
    const place = await places.take(1, forever)
    const leaving = new AbortController()
    const left = places.take(2, leaving.signal)
    const { granted } = takeAll(places, [2])
    leaving.abort(new Error('hung up'))
    await expect(left).rejects.toThrow('hung up')
    await expect(places.take(2, leaving.signal)).rejects.toThrow('hung up')
    place.end()
    await settle()
    expect(granted).toEqual([2])
    expect(places.count()).toBe(1)
  })
})
