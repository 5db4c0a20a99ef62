import { expect, test } from 'vitest'
import { createUnitQueue } from '../../src/client/upload/unit-queue.ts'
import type { SendUnit } from '../../src/client/upload/upload-plan.ts'

const never = new AbortController().signal

function unitOf(contentBytes: number): SendUnit {
  return { tasks: [], end: null, contentBytes }
}

async function* unitsOf(...sizes: number[]): AsyncGenerator<SendUnit> {
  for (const size of sizes) yield unitOf(size)
}

test('connections that take in turn get every unit once, in order', async () => {
  const sizes = Array.from({ length: 50 }, (_, index) => index + 1)
  const queue = createUnitQueue(unitsOf(...sizes), never)
  const taken: number[] = []
  const connection = async (): Promise<void> => {
    for (let unit = await queue.take(); unit !== undefined; unit = await queue.takeSoon(100))
      taken.push(unit.contentBytes)
  }
  await Promise.all([connection(), connection(), connection()])
  expect(taken).toEqual(sizes)
  expect(await queue.take()).toBeUndefined()
  expect(await queue.takeSoon(100)).toBeUndefined()
})

test('takeSoon does not wait for a unit that is not ready, and does not lose it', async () => {
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  async function* late(): AsyncGenerator<SendUnit> {
    yield unitOf(1)
    await gate
    yield unitOf(2)
  }
  const queue = createUnitQueue(late(), never)
  expect(await queue.takeSoon(100)).toEqual(unitOf(1))
  expect(await queue.takeSoon(100)).toBeUndefined()
  const waiting = queue.take()
  open()
  expect(await waiting).toEqual(unitOf(2))
  expect(await queue.take()).toBeUndefined()
})

test('a unit that does not fit stays for the next request', async () => {
  const queue = createUnitQueue(unitsOf(5, 8, 1), never)
  expect(await queue.takeSoon(10)).toEqual(unitOf(5))
  expect(await queue.takeSoon(7)).toBeUndefined()
  expect(await queue.take()).toEqual(unitOf(8))
  expect(await queue.takeSoon(1)).toEqual(unitOf(1))
})

test('a failure of the source is thrown to every taker', async () => {
  async function* failing(): AsyncGenerator<SendUnit> {
    yield unitOf(1)
    throw new Error('cannot be cut')
  }
  const queue = createUnitQueue(failing(), never)
  expect(await queue.take()).toEqual(unitOf(1))
  await expect(queue.take()).rejects.toThrow('cannot be cut')
  await expect(queue.takeSoon(100)).rejects.toThrow('cannot be cut')
})

test('waiting takers are rejected when the signal is aborted', async () => {
  const stop = new AbortController()
  async function* silent(): AsyncGenerator<SendUnit> {
    await new Promise(() => {})
    yield unitOf(1)
  }
  const queue = createUnitQueue(silent(), stop.signal)
  const waiting = Promise.allSettled([queue.take(), queue.takeSoon(1)])
  stop.abort()
  const outcomes = await waiting
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
