/** Asking a thread, and answering in it. A request has a number that its answer brings back, so many can be under way at
 *  once. What is thrown crosses as a message, since its class is another one on the other side (decision 32). */
import { parentPort, type Transferable, type Worker } from 'node:worker_threads'
import { type ErrorMessage, StoreError, decodeError, encodeError } from './core/errors.ts'

type ToThread =
  | { id: number; request: unknown }
  | { id: number; more: unknown }
  | { id: number; stop: true }
  | 'close'
type FromThread =
  | { id: number; answer: unknown }
  | { id: number; failure: ErrorMessage }
  | { id: number; news: unknown }

/** Of the answer that nobody asks for: that the thread has begun. */
const openingId = 0

/** `News`: what is told of a request before its answer. `More`: what is sent after it. */
export interface AskedThread<Request, Answer, News = never, More = never> {
  /** Errors: what keeps the thread from beginning. Requests need not wait for it. */
  readonly opened: Promise<unknown>
  /** Resolves when the thread ends without being told to, before its requests fail. */
  readonly died: Promise<Error>
  /** Errors: those of the request; the reason of `signal` when it fails after that was aborted; why the thread is gone. */
  ask(request: Request, options?: AskOptions<News, More>): Promise<Answer>
  /** Lets the thread answer what it was asked, then ends it. Errors: what it died of. */
  close(): Promise<void>
  /** Ends the thread; what it was asked fails. */
  terminate(): Promise<void>
}

interface AskOptions<News, More> {
  transfer?: Transferable[]
  signal?: AbortSignal
  onNews?: (news: News) => void
  /** Called when the request is sent. */
  onSent?: (send: (more: More, transfer: Transferable[]) => void) => void
}

interface Waiting<Answer, News> {
  resolve(answer: Answer): void
  reject(error: Error): void
  onNews: ((news: News) => void) | undefined
}

/** The thread keeps the process alive only while it has something to answer. `name` is for messages. */
export function askThread<Request, Answer, News = never, More = never>(
  worker: Worker,
  name: string,
): AskedThread<Request, Answer, News, More> {
  const waiting = new Map<number, Waiting<Answer, News>>()
  let lastId = openingId
  let death: Error | undefined
  let isClosing = false

  const post = (message: ToThread, transfer?: Transferable[]): void => {
    worker.postMessage(message, transfer)
  }
  const answerTo = (id: number, onNews?: (news: News) => void): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject, onNews })
    })
  const failAll = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const isClosed = (): Error => new Error(`the ${name} thread is closed`)
  const opened = answerTo(openingId)
  // It can be that nobody waits for it.
  opened.catch(() => {})
  let tellDeath!: (error: Error) => void
  const died = new Promise<Error>((resolve) => {
    tellDeath = resolve
  })
  const die = (error: Error): void => {
    if (death !== undefined) return
    death = error
    if (!isClosing) tellDeath(error)
    failAll(error)
  }

  worker.on('message', (message: FromThread) => {
    const asked = waiting.get(message.id)
    if ('news' in message) {
      asked?.onNews?.(message.news as News)
      return
    }
    if ('failure' in message && message.id === openingId) {
      die(decodeError(message.failure))
      void worker.terminate()
      return
    }
    waiting.delete(message.id)
    if (waiting.size === 0 && !isClosing) worker.unref()
    if ('answer' in message) asked?.resolve(message.answer as Answer)
    else asked?.reject(decodeError(message.failure))
  })
  worker.on('error', die)
  // Listened for from the start: the last answer and the end of the thread can come in one turn.
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
    ask: async (request, { transfer, signal, onNews, onSent } = {}) => {
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
        return await answerTo(id, onNews)
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

/** What a thread does. */
export interface Answering<Request, Answer, News, More> {
  /** Buffers that are a field of the answer, or the answer, must be nothing else's: they are handed over. */
  answer(request: Request, call: Call<News, More>): Answer | Promise<Answer>
  /** Called when everything is answered and nothing more will be asked. */
  close?(): Promise<void>
}

export interface Call<News, More> {
  /** Its signal is aborted when nobody waits for the answer any more. It makes that when it is asked for it, which takes
   *  longer than many an answer. */
  readonly stop: Pick<AbortController, 'signal'>
  tell(news: News): void
  /** To be set before anything is waited for. */
  onMore?: (more: More) => void
}

/** In a thread: answers what `askThread` asks, each request as soon as it comes. Errors: those of `open`, unless it was told. */
export async function answerRequests<Request, Answer, News = never, More = never>(
  open: () =>
    | Answering<Request, Answer, News, More>
    | Promise<Answering<Request, Answer, News, More>>,
): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('this file is the code of a worker thread')
  const post = (message: FromThread, transfer?: ArrayBuffer[]): void => {
    port.postMessage(message, transfer)
  }
  let answering: Answering<Request, Answer, News, More>
  try {
    answering = await open()
  } catch (error) {
    // Whatever else ends the thread reaches the other side with all of its facts, but without its class.
    if (!(error instanceof StoreError)) throw error
    post({ id: openingId, failure: encodeError(error) })
    return
  }

  const running = new Map<number, Call<News, More> & { stop: AbortController }>()
  let isClosing = false
  const endWhenAnswered = async (): Promise<void> => {
    if (!isClosing || running.size > 0) return
    await answering.close?.()
    // Nothing keeps the thread alive then, and it ends.
    port.close()
  }
  const run = async (id: number, request: Request): Promise<void> => {
    const tell = (news: News): void => post({ id, news })
    const call = { stop: new AbortController(), tell }
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

/** Buffers of which the answer is all, or a field of it. To hand them over costs less than a copy, and leaves no garbage. */
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
