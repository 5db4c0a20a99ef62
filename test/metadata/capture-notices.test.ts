/** What the main thread makes of the notices of the log keeper. */
import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { PageCapture } from '../../src/metadata/metadata.ts'
import type { CaptureNotice } from '../../src/metadata/sqlite/log/frame-capture.ts'
import { createPageCapture } from '../../src/metadata/sqlite/log/page-capture.ts'
import { createSharedLog, joinSharedLog } from '../../src/metadata/sqlite/log/shared-log.ts'

interface Rig {
  capture: PageCapture
  log: ReturnType<typeof joinSharedLog>
  notify(notice: CaptureNotice): void
  /** Ends the thread. */
  exit(): void
  /** Begins a capture, and resolves when it is told that it has begun. */
  start(): Promise<void>
  /** What sinks were told, in order. */
  told: string[]
}

function openRig(): Rig {
  const worker = new EventEmitter()
  const log = joinSharedLog(createSharedLog())
  const capture = createPageCapture(log, worker as never)
  const notify = (notice: CaptureNotice): void => {
    worker.emit('message', notice)
  }
  const told: string[] = []
  return {
    capture,
    log,
    notify,
    exit: () => worker.emit('exit'),
    told,
    start: async () => {
      const starting = capture.start({
        onPages: ([first]) => {
          const isTaken = log.waitForTaken(1, 0)
          told.push(`pages ${first}${isTaken ? ' taken' : ''}`)
        },
        onCommitted: (pageCount) => told.push(`committed ${pageCount}`),
        onLost: (reason) => told.push(`lost: ${reason}`),
      })
      const { capture: number, flush } = log.askedCapture()
      const found = outcomes(starting)
      await turn()
      expect(found).toEqual(['waits'])
      notify({ capture: number, pageCount: 1, flush })
      await starting
    },
  }
}

/** Returns what becomes of promises, as far as it is known. */
function outcomes(...promises: Promise<void>[]): string[] {
  const found = promises.map(() => 'waits')
  for (const [index, promise] of promises.entries())
    promise.then(
      () => (found[index] = 'done'),
      (error: Error) => (found[index] = error.message),
    )
  return found
}

test('a flush fails when the disk is full, and the capture goes on', async () => {
  const { capture, log, notify, start, told } = openRig()
  await start()
  const first = capture.flush()
  const { flush } = log.askedCapture()
  const found = outcomes(capture.flush())
  notify({ capture: 1, fullAt: flush })
  await expect(first).rejects.toMatchObject({ code: 'storage_full' })
  expect(found).toEqual(['waits'])
  notify({ capture: 1, pageCount: 2, flush: flush + 1 })
  await turn()
  expect(found).toEqual(['done'])
  expect(told).toEqual(['committed 1', 'committed 2'])
})

test('a flush ends with the first notice of all that was committed before it', async () => {
  const { capture, log, notify, start, told } = openRig()
  await start()
  const first = capture.flush()
  const { flush } = log.askedCapture()
  const found = outcomes(first, capture.repeat())
  expect(log.askedCapture()).toEqual({ capture: 1, repeat: 1, flush: flush + 1 })
  notify({ capture: 1, pageCount: 5, flush: flush - 1 })
  await turn()
  expect(found).toEqual(['waits', 'waits'])
  notify({ capture: 1, pageCount: 6, flush })
  await turn()
  expect(found).toEqual(['done', 'waits'])
  notify({ capture: 1, pageCount: 7, flush: flush + 1 })
  await turn()
  expect(found).toEqual(['done', 'done'])
  expect(told).toEqual(['committed 1', 'committed 5', 'committed 6', 'committed 7'])
})

test('the memory of pages is used again once they were passed, whichever capture they are of', async () => {
  const { log, notify, start, told } = openRig()
  await start()
  notify({ capture: 1, records: Uint8Array.of(7) })
  expect(told).toEqual(['committed 1', 'pages 7'])
  expect(log.waitForTaken(1, 0)).toBe(true)
  await start()
  notify({ capture: 1, records: Uint8Array.of(8) })
  notify({ capture: 1, lost: 'it is over' })
  expect(told).toEqual(['committed 1', 'pages 7', 'committed 1'])
  expect(log.waitForTaken(2, 0)).toBe(true)
})

test.each<[string, (rig: Rig) => unknown, string, string[]]>([
  [
    'pages were missed',
    ({ notify }) => notify({ capture: 1, lost: 'missed' }),
    'the capture of pages is lost: missed',
    ['lost: missed'],
  ],
  [
    'the log keeper ends',
    ({ exit }) => exit(),
    'the capture of pages is lost: the log keeper has ended',
    ['lost: the log keeper has ended'],
  ],
  ['it is stopped', ({ capture }) => capture.stop(), 'the capture of pages has ended', []],
])('nothing is captured any more when %s', async (_, end, reason, told) => {
  const rig = openRig()
  await rig.start()
  const found = outcomes(rig.capture.flush())
  end(rig)
  await turn()
  expect(found).toEqual([reason])
  rig.notify({ capture: 1, records: Uint8Array.of(7) })
  await expect(rig.capture.flush()).rejects.toThrow('no pages are captured')
  expect(rig.told.slice(1)).toEqual(told)
})

test('a flush fails when another capture begins', async () => {
  const { capture, start } = openRig()
  await start()
  const found = outcomes(capture.flush())
  await start()
  expect(found).toEqual(['another capture has begun'])
})

test('a stopped capture is no longer asked for, and the next one has another number', async () => {
  const { capture, log, start } = openRig()
  await start()
  capture.stop()
  expect(log.askedCapture().capture).toBe(0)
  await start()
  expect(log.askedCapture().capture).toBe(2)
})
