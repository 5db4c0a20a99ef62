/** The main thread's side of a page capture; frame-capture.ts is that of the log keeper. */
import type { Worker } from 'node:worker_threads'
import type { PageCapture, PageSink } from '../../page-capture.ts'
import type { CaptureNotice } from './frame-capture.ts'
import { fullDisk } from '../connection/disk-failure.ts'
import { recordBytes } from './log-frames.ts'
import type { KeptLog } from './shared-log.ts'

interface Waiting {
  flush: number
  resolve(): void
  reject(error: Error): void
}

/** `worker`: the thread of the log keeper; after its end there is no capture. */
export function createPageCapture(
  log: Pick<KeptLog, 'askCapture' | 'noteTaken'>,
  worker: Pick<Worker, 'on'>,
): PageCapture {
  let last = { capture: 0, repeat: 0, flush: 0 }
  let running: { capture: number; sink: PageSink } | undefined
  let waiting: Waiting[] = []

  const end = (reason: string): void => {
    running = undefined
    for (const { reject } of waiting.splice(0)) reject(new Error(reason))
  }
  const lose = (reason: string): void => {
    const sink = running?.sink
    end(`the capture of pages is lost: ${reason}`)
    sink?.onLost(reason)
  }
  const askFlush = async (): Promise<void> => {
    if (running === undefined) throw new Error('no pages are captured')
    last = { ...last, flush: last.flush + 1 }
    const { flush } = last
    const flushed = new Promise<void>((resolve, reject) => {
      waiting.push({ flush, resolve, reject })
    })
    log.askCapture(last)
    await flushed
  }
  const takeWaiting = (lastFlush: number): Waiting[] => {
    const answered = waiting.filter(({ flush }) => flush <= lastFlush)
    waiting = waiting.filter(({ flush }) => flush > lastFlush)
    return answered
  }
  const take = (notice: CaptureNotice, sink: PageSink): void => {
    if ('lost' in notice) lose(notice.lost)
    else if ('records' in notice) sink.onPages(notice.records)
    else if ('fullAt' in notice)
      for (const { reject } of takeWaiting(notice.fullAt)) reject(fullDisk())
    else {
      sink.onCommitted(notice.pageCount)
      for (const { resolve } of takeWaiting(notice.flush)) resolve()
    }
  }
  worker.on('message', (notice: CaptureNotice) => {
    // Otherwise of an earlier capture.
    if (notice.capture === running?.capture) take(notice, running.sink)
    // From then on, its memory is used again.
    if ('records' in notice) log.noteTaken()
  })
  worker.on('exit', () => lose('the log keeper has ended'))
  return {
    recordBytes,
    start: async (sink) => {
      end('another capture has begun')
      last = { ...last, capture: last.capture + 1 }
      running = { capture: last.capture, sink }
      await askFlush()
    },
    repeat: async () => {
      last = { ...last, repeat: last.repeat + 1 }
      await askFlush()
    },
    flush: askFlush,
    stop: () => {
      if (running === undefined) return
      end('the capture of pages has ended')
      log.askCapture({ ...last, capture: 0 })
    },
  }
}
