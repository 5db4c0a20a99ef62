/** The thread that worker-thread.test.ts starts. */
import { workerData } from 'node:worker_threads'
import { storeError } from '../dist/src/core/errors.js'
import { answerRequests } from '../dist/src/worker-thread.js'

const releases = []

const answers = {
  echo: (value) => value,
  /** Answers after `release`. */
  hold: async (value) => {
    await new Promise((resolve) => releases.push(resolve))
    return value
  },
  release: () => {
    for (const release of releases) release()
  },
  untilStopped: async (_, { stop }) => {
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
    throw new Error('stopped')
  },
  answerTwice: (value, { notify }) => {
    notify(`${value} 1`)
    notify(`${value} 2`)
    return value
  },
  /** Sums the numbers sent after the request, up to null. */
  sum: async (_, call) =>
    await new Promise((resolve) => {
      let sum = 0
      call.onMore = (more) => {
        if (more === null) resolve(sum)
        else sum += more
      }
    }),
  refuse: (what) => {
    const cause = new TypeError('low', { cause: storeError('busy', 'lowest', { what: 'disk' }) })
    throw storeError('busy', `${what} is busy`, { what }, { cause })
  },
  break: (message) => {
    throw new RangeError(message)
  },
  uncloneable: () => () => {},
  buffers: () => ({ own: new Uint8Array(8).fill(1), part: new Uint8Array(8).fill(2).subarray(4) }),
  end: () => {
    process.exit(3)
  },
}

await answerRequests(() => {
  if (workerData === 'refuses') throw storeError('busy', 'not now', { what: 'thread' })
  if (workerData === 'breaks') throw Object.assign(new Error('broken'), { isDamaged: true })
  return {
    answer: ({ kind, value }, call) => answers[kind](value, call),
    close: async () => {
      if (workerData === 'breaks at its end') throw new Error('left open')
    },
  }
})
