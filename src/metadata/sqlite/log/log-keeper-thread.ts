/** The thread behind `startLogKeeper`. It waits on shared memory, not for messages, so it runs
 *  until it is closed there. A checkpoint copies pages back to random places and syncs twice,
 *  which no thread that serves requests should do. */
import { parentPort, workerData } from 'node:worker_threads'
import { keptLogPagesMax, openCheckpointer } from '../connection/checkpoint.ts'
import { type CaptureNotice, type FrameCapture, openFrameCapture } from './frame-capture.ts'
import { joinSharedLog } from './shared-log.ts'
import type { LogKeeperData } from './log-keeper.ts'

/** The log is copied back once nothing was written for this long, */
const quietMs = 100
/** or this long after the first write. */
const patienceMs = 1000
/** Log size in pages (96 MiB) beyond which the log must restart, and maintenance pauses its writes
 *  until it has. A restart costs two syncs during which nobody writes. At 32 MiB every fortieth
 *  upload met one during expiry (2.1 times the idle latency at the 99th percentile), now fewer
 *  than every hundredth does (1.4; bench/big-store). */
const logPagesMax = 24_576

const port = parentPort
if (!port) throw new Error('this file is the body of a worker thread')
const { path, sharedLog } = workerData as LogKeeperData
const log = joinSharedLog(sharedLog)
const checkpointer = openCheckpointer(path, log)
let capture: { number: number; frames: FrameCapture } | undefined
port.postMessage('ready')
keep()
capture?.frames.close()
checkpointer.close()

/** Makes a checkpoint, with the capture that is asked for. Returns the length of the log in pages,
 *  as far as it is known. */
function run(): number {
  const asked = log.askedCapture()
  if (capture?.number !== asked.capture) {
    capture?.frames.close()
    capture = asked.capture === 0 ? undefined : openCapture(asked.capture)
  }
  const made = capture ? capture.frames.checkpoint(asked.flush) : checkpointer.run()
  return made?.pages ?? 0
}

function openCapture(number: number): typeof capture {
  const frames = openFrameCapture({
    path,
    capture: number,
    log,
    makeCheckpoint: checkpointer.run,
    logPagesMax: keptLogPagesMax / 2,
    send: (notice) => port!.postMessage(notice, buffersOf(notice)),
  })
  return { number, frames }
}

function buffersOf(notice: CaptureNotice): ArrayBuffer[] {
  return 'records' in notice ? [notice.records.buffer] : []
}

function keep(): void {
  let seen = log.waitForWrites(0, 0)
  // Copies what was written before this thread began.
  run()
  while (!log.isClosing()) {
    const first = log.waitForWrites(seen, Infinity)
    if (first === seen) continue
    seen = waitForQuiet(first)
    copyBack()
  }
}

/** Returns the mark of the last write that the next checkpoint will copy. */
function waitForQuiet(first: number): number {
  const until = performance.now() + patienceMs
  for (let seen = first; ;) {
    const next = log.waitForWrites(seen, quietMs)
    if (next === seen || performance.now() >= until || log.isClosing()) return next
    seen = next
  }
}

/** The log restarts only when all of it is copied and nobody has written in the meantime. Under
 *  steady writing this creates that moment: maintenance pauses, the bulk is copied beside the other
 *  writers, and the rest in a turn of our own. */
function copyBack(): void {
  if (run() < logPagesMax) return
  log.setLong(true)
  try {
    run()
    const ticket = log.enter()
    try {
      run()
    } finally {
      log.leave(ticket)
    }
  } finally {
    log.setLong(false)
  }
}
