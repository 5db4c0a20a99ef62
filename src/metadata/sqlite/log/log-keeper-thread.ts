/** The thread behind `startLogKeeper`. It waits on shared memory, not for messages, so it runs
 *  until it is closed there. A checkpoint copies pages back to random places and syncs twice,
 *  which no thread that serves requests should do. */
import { parentPort, workerData } from 'node:worker_threads'
import { asError } from '../../../core/errors.ts'
import { keptLogPagesMax, openCheckpointer } from '../connection/checkpoint.ts'
import { type CaptureNotice, type FrameCapture, openFrameCapture } from './frame-capture.ts'
import { recordsBytesMax } from './log-frames.ts'
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

/** Messages with captured pages that may wait for the main thread, and how long. Their memory is
 *  shared and used again: transferred buffers would pile up until the main thread collects garbage,
 *  100 MB in a large upload. */
const sentMax = 4
const takenMsMax = 10_000

const port = parentPort
if (!port) throw new Error('this file is the body of a worker thread')
const { path, sharedLog } = workerData as LogKeeperData
const log = joinSharedLog(sharedLog)
const checkpointer = openCheckpointer(path, log)
/** `frames`: undefined when the capture cannot be opened. */
let capture: { number: number; frames: FrameCapture | undefined } | undefined
/** Messages with captured pages that were sent, and the memory they use in turn. */
let sent = 0
let memory: SharedArrayBuffer | undefined
/** Whether what was asked for waits for a checkpoint that failed. */
let isBehind = false
/** Last flush of a capture that was asked for before the last checkpoint. */
let flushed = 0
port.postMessage('ready')
keep()
capture?.frames?.close()
checkpointer.close()

/** Makes a checkpoint, with the capture that is asked for. Returns the length of the log in pages,
 *  as far as it is known. */
function run(): number {
  const asked = log.askedCapture()
  flushed = asked.flush
  if (capture?.number !== asked.capture) {
    capture?.frames?.close()
    capture = asked.capture === 0 ? undefined : openCapture(asked.capture)
  }
  const made = capture?.frames ? capture.frames.checkpoint(asked) : checkpointer.run()
  isBehind = capture !== undefined && made === undefined
  if (capture?.frames && isBehind && checkpointer.foundFullDisk())
    port!.postMessage({ capture: capture.number, fullAt: asked.flush } satisfies CaptureNotice)
  return made?.pages ?? 0
}

function openCapture(number: number): typeof capture {
  try {
    const frames = openFrameCapture({
      path,
      capture: number,
      log,
      makeCheckpoint: checkpointer.run,
      logPagesMax: keptLogPagesMax / 2,
      send: (notice) => port!.postMessage(notice),
      space: nextSpace,
    })
    return { number, frames }
  } catch (error) {
    // No file can be opened, for example. Checkpoints must go on.
    port!.postMessage({ capture: number, lost: asError(error).message } satisfies CaptureNotice)
    return { number, frames: undefined }
  }
}

/** Errors: the main thread does not take what was sent. */
function nextSpace(): Uint8Array {
  if (!log.waitForTaken(sent + 1 - sentMax, takenMsMax)) throw new Error('the main thread is busy')
  memory ??= new SharedArrayBuffer(sentMax * recordsBytesMax)
  const space = new Uint8Array(memory, (sent % sentMax) * recordsBytesMax, recordsBytesMax)
  sent += 1
  return space
}

function keep(): void {
  let seen = log.waitForWrites(0, 0)
  // Copies what was written before this thread began.
  run()
  while (!log.isClosing()) {
    const first = log.waitForWrites(seen, isBehind ? patienceMs : Infinity)
    if (first === seen && !isBehind) continue
    seen = waitForQuiet(first)
    copyBack()
  }
}

/** Returns the mark of the last write that the next checkpoint will copy. Somebody may wait for a
 *  flush. */
function waitForQuiet(first: number): number {
  const until = performance.now() + patienceMs
  for (let seen = first; ;) {
    if (log.askedCapture().flush !== flushed) return seen
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
