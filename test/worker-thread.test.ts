import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { StoreError } from '../src/core/errors.ts'
import { type AskedThread, askThread } from '../src/worker-thread.ts'

interface Request {
  kind: string
  value?: unknown
}

function start(workerData?: string): AskedThread<Request, unknown, string, number | null> {
  const worker = new Worker(new URL('answering-thread.mjs', import.meta.url), { workerData })
  onTestFinished(async () => {
    await worker.terminate()
  })
  return askThread(worker, 'test')
}

test('each request gets its own answer, whichever comes first', async () => {
  const thread = start()
  const order: unknown[] = []
  const note = (answer: unknown): number => order.push(answer)
  await Promise.all([
    thread.ask({ kind: 'hold', value: 'held' }).then(note),
    thread.ask({ kind: 'echo', value: 'first' }).then(note),
    thread.ask({ kind: 'echo', value: 'second' }).then(note),
    thread.ask({ kind: 'release' }),
  ])
  expect(order).toEqual(['first', 'second', 'held'])
})

test('what is told of a request goes to whoever asked, before the answer', async () => {
  const thread = start()
  const heard: unknown[] = []
  await Promise.all(
    ['a', 'b'].map(async (value) => {
      const onNews = (news: string): number => heard.push([value, news])
      heard.push(await thread.ask({ kind: 'tellTwice', value }, { onNews }))
    }),
  )
  expect(heard.filter((each) => String(each).startsWith('a'))).toEqual([
    ['a', 'a 1'],
    ['a', 'a 2'],
    'a',
  ])
  expect(heard).toHaveLength(6)
})

test('what is sent after a request goes to it', async () => {
  const thread = start()
  const sums = [[1, 2], [30]].map(async (numbers) => {
    return await thread.ask(
      { kind: 'sum' },
      { onSent: (send) => [...numbers, null].forEach((each) => send(each, [])) },
    )
  })
  expect(await Promise.all(sums)).toEqual([3, 30])
})

test('expected failures cross whole, all others by name, message and stack, with what caused them', async () => {
  const thread = start()
  const refusal: unknown = await thread
    .ask({ kind: 'refuse', value: 'it' })
    .catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(StoreError)
  expect(refusal).toMatchObject({
    code: 'busy',
    message: 'it is busy',
    details: { what: 'it' },
    cause: { name: 'TypeError', message: 'low', cause: { code: 'busy', message: 'lowest' } },
  })
  await expect(thread.ask({ kind: 'break', value: 'no' })).rejects.toMatchObject({
    name: 'RangeError',
    message: 'no',
    stack: expect.stringContaining('answering-thread.mjs'),
  })
  await expect(thread.ask({ kind: 'uncloneable' })).rejects.toThrow('could not be cloned')
  // What cannot be sent fails alone.
  await expect(thread.ask({ kind: 'echo', value: () => {} })).rejects.toThrow('could not be cloned')
  expect(await thread.ask({ kind: 'echo', value: 1 })).toBe(1)
})

test('a request is stopped by its signal alone, and fails with the reason of that', async () => {
  const thread = start()
  const stop = new AbortController()
  const stopped = thread.ask({ kind: 'untilStopped' }, { signal: stop.signal })
  const other = new AbortController()
  const held = thread.ask({ kind: 'hold', value: 'held' }, { signal: other.signal })
  stop.abort('enough')
  await expect(stopped).rejects.toBe('enough')
  await expect(thread.ask({ kind: 'end' }, { signal: stop.signal })).rejects.toBe('enough')
  // It does not look at its signal, and its answer counts.
  other.abort('too late')
  await thread.ask({ kind: 'release' })
  expect(await held).toBe('held')
})

test('buffers are handed over: those that are sent so, and those that are all of a field of the answer', async () => {
  const thread = start()
  const bytes = new Uint8Array(8).fill(7)
  expect(await thread.ask({ kind: 'echo', value: bytes }, { transfer: [bytes.buffer] })).toEqual(
    new Uint8Array(8).fill(7),
  )
  expect(bytes).toHaveLength(0)
  expect(await thread.ask({ kind: 'buffers' })).toEqual({
    own: new Uint8Array(8).fill(1),
    part: new Uint8Array(4).fill(2),
  })
})

test('a thread that ends of itself says so, then fails what it was asked and whatever comes', async () => {
  const thread = start()
  const order: string[] = []
  void thread.died.then(() => order.push('died'))
  const outcomes = await Promise.allSettled(
    ['untilStopped', 'end'].map(async (kind) => {
      await thread.ask({ kind }).finally(() => order.push('failed'))
    }),
  )
  expect(order).toEqual(['died', 'failed', 'failed'])
  const death = await thread.died
  expect(death.message).toBe('the test thread ended with code 3')
  expect(outcomes.every((each) => each.status === 'rejected' && each.reason === death)).toBe(true)
  await expect(thread.ask({ kind: 'echo' })).rejects.toBe(death)
  await expect(thread.close()).rejects.toBe(death)
})

test('a thread that closes answers what it was asked before, then nothing', async () => {
  const thread = start()
  const held = thread.ask({ kind: 'hold', value: 'held' })
  void thread.ask({ kind: 'release' })
  const closed = [thread.close(), thread.close()]
  await expect(thread.ask({ kind: 'echo' })).rejects.toThrow('the test thread is closed')
  expect(await held).toBe('held')
  await Promise.all(closed)
})

test('a thread that cannot close says why', async () => {
  const thread = start('breaks at its end')
  await expect(thread.close()).rejects.toThrow('left open')
  // It was told to end, and nobody is to miss it.
  expect(await Promise.race([thread.died, Promise.resolve('not told')])).toBe('not told')
})

test('a thread that is ended fails what it was asked, and did not die', async () => {
  const thread = start()
  let died = false
  void thread.died.then(() => {
    died = true
  })
  const held = thread.ask({ kind: 'hold' }).catch((error: unknown) => error)
  await thread.terminate()
  expect(await held).toEqual(new Error('the test thread is closed'))
  expect(died).toBe(false)
})

test('a thread that cannot begin fails what it was asked with the reason', async () => {
  const refusing = start('refuses')
  const asked = refusing.ask({ kind: 'echo' }).catch((error: unknown) => error)
  await expect(refusing.opened).rejects.toMatchObject({ code: 'busy', message: 'not now' })
  expect(await asked).toBeInstanceOf(StoreError)
  const breaking = start('breaks')
  // A hint can depend on more than the message.
  await expect(breaking.opened).rejects.toMatchObject({ message: 'broken', isDamaged: true })
  await expect(breaking.ask({ kind: 'echo' })).rejects.toThrow('broken')
})

test('a process ends when its thread has nothing to answer', () => {
  const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url))
  const program = `
    import { Worker } from 'node:worker_threads'
    import { askThread } from ${here('../dist/src/worker-thread.js')}
    const worker = new Worker(new URL(${here('answering-thread.mjs')}), { execArgv: [] })
    const thread = askThread(worker, 'test')
    console.log(await thread.ask({ kind: 'echo', value: 'answer' }))
  `
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { encoding: 'utf8', timeout: 60_000 },
  )
  expect(stdout).toBe('answer\n')
  expect(status).toBe(0)
})
