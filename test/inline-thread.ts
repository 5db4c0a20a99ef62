/** Does the work of a worker thread on the thread of the tests, which saves the start of a thread.
 *  Messages pass through a channel, so they are copied or transferred as between threads. */
import { EventEmitter } from 'node:events'
import { MessageChannel, type Worker } from 'node:worker_threads'
import { type Answering, answerRequests } from '../src/worker-thread.ts'

export function inlineThread<Request, Answer, Notice, More>(
  open: () => Promise<Answering<Request, Answer, Notice, More>>,
): Worker {
  const { port1, port2 } = new MessageChannel()
  const worker = new EventEmitter()
  port1.on('message', (message) => worker.emit('message', message))
  port1.on('close', () => worker.emit('exit', 0))
  answerRequests(open, port2).catch((error: unknown) => {
    worker.emit('error', error)
    port2.close()
  })
  return Object.assign(worker, {
    postMessage: port1.postMessage.bind(port1),
    ref: port1.ref.bind(port1),
    unref: port1.unref.bind(port1),
    terminate: async () => {
      port1.close()
      await Promise.resolve()
    },
  }) as unknown as Worker
}
