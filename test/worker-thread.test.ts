import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { StoreError } from '../src/core/errors.ts'
import { createThreadClient, type ThreadClient } from '../src/worker-thread.ts'

interface Request {
  kind: string
  value?: unknown
}

function start(workerData?: string): ThreadClient<Request, unknown, string, number | null> {
  const worker = new Worker(new URL('answering-thread.mjs', import.meta.url), { workerData })
  onTestFinished(async () => {
    await worker.terminate()
  })
  return createThreadClient(worker, 'test')
}

test('each request gets its own answer, in any order', async () => {
  const thread = start()
  const order: unknown[] = []
  const note = (answer: unknown): number => order.push(answer)
  await Promise.all([
    thread.request({ kind: 'hold', value: 'held' }).then(note),
    thread.request({ kind: 'echo', value: 'first' }).then(note),
    thread.request({ kind: 'echo', value: 'second' }).then(note),
    thread.request({ kind: 'release' }),
  ])
  expect(order).toEqual(['first', 'second', 'held'])
})

test('messages of a request go to its caller, before the answer', async () => {
  const thread = start()
  const received: unknown[] = []
  await Promise.all(
    ['a', 'b'].map(async (value) => {
      const onNotice = (notice: string): number => received.push([value, notice])
      received.push(await thread.request({ kind: 'answerTwice', value }, { onNotice }))
    }),
  )
  expect(received.filter((each) => String(each).startsWith('a'))).toEqual([
    ['a', 'a 1'],
    ['a', 'a 2'],
    'a',
  ])
  expect(received).toHaveLength(6)
})

test('messages sent after a request go to that request', async () => {
  const thread = start()
  const sums = [[1, 2], [30]].map(async (numbers) => {
    return await thread.request(
      { kind: 'sum' },
      { onSent: (send) => [...numbers, null].forEach((each) => send(each, [])) },
    )
  })
  expect(await Promise.all(sums)).toEqual([3, 30])
})

test('StoreErrors arrive whole, other errors with name, message and stack, both with their causes', async () => {
  const thread = start()
  const refusal: unknown = await thread
    .request({ kind: 'refuse', value: 'it' })
    .catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(StoreError)
  expect(refusal).toMatchObject({
    code: 'busy',
    message: 'it is busy',
    details: { what: 'it' },
    cause: { name: 'TypeError', message: 'low', cause: { code: 'busy', message: 'lowest' } },
  })
  await expect(thread.request({ kind: 'break', value: 'no' })).rejects.toMatchObject({
    name: 'RangeError',
    message: 'no',
    stack: expect.stringContaining('answering-thread.mjs'),
  })
  await expect(thread.request({ kind: 'uncloneable' })).rejects.toThrow('could not be cloned')
  // A request that cannot be cloned does not affect the others.
  await expect(thread.request({ kind: 'echo', value: () => {} })).rejects.toThrow(
    'could not be cloned',
  )
  expect(await thread.request({ kind: 'echo', value: 1 })).toBe(1)
})

test('an abort stops only its own request, which fails with the abort reason', async () => {
  const thread = start()
  const stop = new AbortController()
  const stopped = thread.request({ kind: 'untilStopped' }, { signal: stop.signal })
  const other = new AbortController()
  const held = thread.request({ kind: 'hold', value: 'held' }, { signal: other.signal })
  stop.abort('enough')
  await expect(stopped).rejects.toBe('enough')
  await expect(thread.request({ kind: 'end' }, { signal: stop.signal })).rejects.toBe('enough')
  // This request ignores its signal, so its answer counts.
  other.abort('too late')
  await thread.request({ kind: 'release' })
  expect(await held).toBe('held')
})

test('buffers are transferred when listed with a request, or when they fill a field of an answer', async () => {
  const thread = start()
  const bytes = new Uint8Array(8).fill(7)
  expect(
    await thread.request({ kind: 'echo', value: bytes }, { transfer: [bytes.buffer] }),
  ).toEqual(new Uint8Array(8).fill(7))
  expect(bytes).toHaveLength(0)
  expect(await thread.request({ kind: 'buffers' })).toEqual({
    own: new Uint8Array(8).fill(1),
    part: new Uint8Array(4).fill(2),
  })
})

test('a thread that ends unexpectedly reports it, then fails its requests and all later ones', async () => {
  const thread = start()
  const order: string[] = []
  void thread.died.then(() => order.push('died'))
  const outcomes = await Promise.allSettled(
    ['untilStopped', 'end'].map(async (kind) => {
      await thread.request({ kind }).finally(() => order.push('failed'))
    }),
  )
  expect(order).toEqual(['died', 'failed', 'failed'])
  const death = await thread.died
  expect(death.message).toBe('the test thread ended with code 3')
  expect(outcomes.every((each) => each.status === 'rejected' && each.reason === death)).toBe(true)
  await expect(thread.request({ kind: 'echo' })).rejects.toBe(death)
  await expect(thread.close()).rejects.toBe(death)
})

test('a closing thread answers its pending requests and accepts no more', async () => {
  const thread = start()
  const held = thread.request({ kind: 'hold', value: 'held' })
  void thread.request({ kind: 'release' })
  const closed = [thread.close(), thread.close()]
  await expect(thread.request({ kind: 'echo' })).rejects.toThrow('the test thread is closed')
  expect(await held).toBe('held')
  await Promise.all(closed)
})

test('a thread that fails to close reports why', async () => {
  const thread = start('breaks at its end')
  await expect(thread.close()).rejects.toThrow('left open')
  // It was told to end, so this does not count as an unexpected death.
  expect(await Promise.race([thread.died, Promise.resolve('not told')])).toBe('not told')
})

test('a terminated thread fails its requests, and does not count as dead', async () => {
  const thread = start()
  let died = false
  void thread.died.then(() => {
    died = true
  })
  const held = thread.request({ kind: 'hold' }).catch((error: unknown) => error)
  await thread.terminate()
  expect(await held).toEqual(new Error('the test thread is closed'))
  expect(died).toBe(false)
})

test('a thread that fails to start fails its requests with the reason', async () => {
  const refusing = start('refuses')
  const answer = refusing.request({ kind: 'echo' }).catch((error: unknown) => error)
  await expect(refusing.opened).rejects.toMatchObject({ code: 'busy', message: 'not now' })
  expect(await answer).toBeInstanceOf(StoreError)
  const breaking = start('breaks')
  // The CLI derives hints from fields other than the message.
  await expect(breaking.opened).rejects.toMatchObject({ message: 'broken', isDamaged: true })
  await expect(breaking.request({ kind: 'echo' })).rejects.toThrow('broken')
})

test('a process exits when its thread has no requests in flight', () => {
  const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url))
  const program = `
    import { Worker } from 'node:worker_threads'
    import { createThreadClient } from ${here('../dist/src/worker-thread.js')}
    const worker = new Worker(new URL(${here('answering-thread.mjs')}), { execArgv: [] })
    const thread = createThreadClient(worker, 'test')
    console.log(await thread.request({ kind: 'echo', value: 'answer' }))
  `
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { encoding: 'utf8', timeout: 60_000 },
  )
  expect(stdout).toBe('answer\n')
  expect(status).toBe(0)
})
