/** Request and response between the main thread and a worker thread. Requests are numbered, so
 *  many can be in flight. Errors are sent as plain messages, since classes differ between
 *  threads (decision 32). */
import { type MessagePort, parentPort, type Transferable, type Worker } from 'node:worker_threads'
import { type ErrorMessage, StoreError, decodeError, encodeError } from './core/errors.ts'

type ToThread =
  | { id: number; request: unknown }
  | { id: number; more: unknown }
  | { id: number; stop: true }
  | 'close'
type FromThread =
  | { id: number; answer: unknown }
  | { id: number; failure: ErrorMessage }
  | { id: number; notice: unknown }

/** Id of the message that reports that the thread has started; no request has it. */
const openingId = 0

/** `Notice`: messages sent for a request before its answer. `More`: messages sent to the thread
 *  after the request. */
export interface ThreadClient<Request, Answer, Notice = never, More = never> {
  /** Resolves when the thread has started. Requests need not wait for it. Errors: those that
   *  kept it from starting. */
  readonly opened: Promise<unknown>
  /** Resolves when the thread ends unexpectedly, before its requests fail. */
  readonly died: Promise<Error>
  /** Errors: those of the request; the abort reason of `signal` if the request fails after the
   *  abort; the cause of the thread's end. */
  request(request: Request, options?: RequestOptions<Notice, More>): Promise<Answer>
  /** Lets the thread finish its requests, then ends it. Errors: that which the thread died of. */
  close(): Promise<void>
  /** Ends the thread; requests in flight fail. */
  terminate(): Promise<void>
}

interface RequestOptions<Notice, More> {
  transfer?: Transferable[]
  signal?: AbortSignal
  onNotice?: (notice: Notice) => void
  /** Called once the request was sent. */
  onSent?: (send: (more: More, transfer: Transferable[]) => void) => void
}

interface Waiting<Answer, Notice> {
  resolve(answer: Answer): void
  reject(error: Error): void
  onNotice: ((notice: Notice) => void) | undefined
}

/** The thread keeps the process alive only while it has requests in flight. `name` is used in
 *  messages. */
export function createThreadClient<Request, Answer, Notice = never, More = never>(
  worker: Worker,
  name: string,
): ThreadClient<Request, Answer, Notice, More> {
  const waiting = new Map<number, Waiting<Answer, Notice>>()
  let lastId = openingId
  let death: Error | undefined
  let isClosing = false

  const post = (message: ToThread, transfer?: Transferable[]): void => {
    worker.postMessage(message, transfer)
  }
  const answerTo = (id: number, onNotice?: (notice: Notice) => void): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject, onNotice })
    })
  const failAll = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const isClosed = (): Error => new Error(`the ${name} thread is closed`)
  const opened = answerTo(openingId)
  // The rejection may have no other handler.
  opened.catch(() => {})
  let resolveDied!: (error: Error) => void
  const died = new Promise<Error>((resolve) => {
    resolveDied = resolve
  })
  const die = (error: Error): void => {
    if (death !== undefined) return
    death = error
    if (!isClosing) resolveDied(error)
    failAll(error)
  }

  worker.on('message', (message: FromThread) => {
    const pending = waiting.get(message.id)
    if ('notice' in message) {
      pending?.onNotice?.(message.notice as Notice)
      return
    }
    if ('failure' in message && message.id === openingId) {
      die(decodeError(message.failure))
      void worker.terminate()
      return
    }
    waiting.delete(message.id)
    if (waiting.size === 0 && !isClosing) worker.unref()
    if ('answer' in message) pending?.resolve(message.answer as Answer)
    else pending?.reject(decodeError(message.failure))
  })
  worker.on('error', die)
  // Attached from the start: the last answer and the exit can arrive in the same turn of the event
  // loop.
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      if (isClosing) failAll(isClosed())
      else die(new Error(`the ${name} thread ended with code ${code}`))
      resolve()
    })
  })

  return {
    opened,
    died,
    request: async (request, { transfer, signal, onNotice, onSent } = {}) => {
      signal?.throwIfAborted()
      if (death !== undefined) throw death
      if (isClosing) throw isClosed()
      const id = ++lastId
      post({ id, request }, transfer)
      onSent?.((more, moreTransfer) => post({ id, more }, moreTransfer))
      if (waiting.size === 0) worker.ref()
      const stop = (): void => post({ id, stop: true })
      signal?.addEventListener('abort', stop, { once: true })
      try {
        return await answerTo(id, onNotice)
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', stop)
      }
    },
    close: async () => {
      if (!isClosing && death === undefined) {
        isClosing = true
        worker.ref()
        post('close')
      }
      await exited
      if (death !== undefined) throw death
    },
    terminate: async () => {
      isClosing = true
      await worker.terminate()
    },
  }
}

/** The implementation of a thread. */
export interface Answering<Request, Answer, Notice, More> {
  /** A buffer that is the answer, or a field of it, must have no other user: it is transferred. */
  answer(request: Request, call: Call<Notice, More>): Answer | Promise<Answer>
  /** Called when all requests are answered and no more will come. */
  close?(): Promise<void>
}

export interface Call<Notice, More> {
  /** Its signal is aborted when the caller no longer waits for the answer. The signal is created
   *  on first access, because creating it takes longer than many answers. */
  readonly stop: Pick<AbortController, 'signal'>
  notify(notice: Notice): void
  /** Must be set before the first await. */
  onMore?: (more: More) => void
}

/** Runs in the thread: answers the requests of `createThreadClient`, each as soon as it arrives.
 *  `port` leads to the client. Errors: those of `open`, except StoreErrors, which are sent to the
 *  caller. */
export async function answerRequests<Request, Answer, Notice = never, More = never>(
  open: () =>
    | Answering<Request, Answer, Notice, More>
    | Promise<Answering<Request, Answer, Notice, More>>,
  port: Pick<MessagePort, 'on' | 'postMessage' | 'close'> | null = parentPort,
): Promise<void> {
  if (port === null) throw new Error('this file is the code of a worker thread')
  const post = (message: FromThread, transfer?: ArrayBuffer[]): void => {
    port.postMessage(message, transfer)
  }
  let answering: Answering<Request, Answer, Notice, More>
  try {
    answering = await open()
  } catch (error) {
    // Other errors end the thread and reach the caller with all their fields, but without their
    // class.
    if (!(error instanceof StoreError)) throw error
    post({ id: openingId, failure: encodeError(error) })
    return
  }

  const running = new Map<number, Call<Notice, More> & { stop: AbortController }>()
  let isClosing = false
  const endWhenAnswered = async (): Promise<void> => {
    if (!isClosing || running.size > 0) return
    await answering.close?.()
    // Nothing else keeps the thread alive, so it ends.
    port.close()
  }
  const run = async (id: number, request: Request): Promise<void> => {
    const notify = (notice: Notice): void => post({ id, notice })
    const call = { stop: new AbortController(), notify }
    running.set(id, call)
    try {
      const answer = await answering.answer(request, call)
      post({ id, answer }, ownBuffers(answer))
    } catch (error) {
      post({ id, failure: encodeError(error) })
    } finally {
      running.delete(id)
    }
    await endWhenAnswered()
  }
  port.on('message', (message: ToThread) => {
    if (message === 'close') {
      isClosing = true
      void endWhenAnswered()
    } else if ('stop' in message) running.get(message.id)?.stop.abort()
    else if ('more' in message) running.get(message.id)?.onMore?.(message.more as More)
    else void run(message.id, message.request as Request)
  })
  post({ id: openingId, answer: undefined })
}

/** Returns the buffers that the answer is, or has as fields. Transferring them costs less than
 *  copying and leaves no garbage. */
function ownBuffers(answer: unknown): ArrayBuffer[] {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return []
  const fields: unknown[] = ArrayBuffer.isView(answer) ? [answer] : Object.values(answer)
  return fields.flatMap((field) =>
    ArrayBuffer.isView(field) &&
    field.buffer instanceof ArrayBuffer &&
    field.byteLength === field.buffer.byteLength
      ? [field.buffer]
      : [],
  )
}
