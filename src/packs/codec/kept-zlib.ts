/** Raw deflate and inflate on the calling thread with an engine that is kept between calls. Node's
 *  `deflateRawSync` and `inflateRawSync` build one for every call, which for a file of a few
 *  kilobytes takes as long as the work itself: 17 and 29 µs per call, a third of the processor time
 *  of an upload of 50,000 small files.
 *
 *  The engine is the handle of a `node:zlib` stream, used as Node's own synchronous functions use
 *  it (lib/zlib.js, `processChunkSync`, the same in Node 20 to 24); no public function runs it
 *  without ending it. Where the handle has another shape, the public functions are the fallback.
 *  The output equals that of a new engine, except for about one blob in 10,000 at levels 1 to 3,
 *  where zlib finds other matches after a reset. That is harmless, because streams are named by
 *  their own digest. */
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import { followerOf } from './follower.ts'

interface Engine {
  reset(): void
  /** Leaves the remaining room for output and the remaining input in `Kept.left`. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputBytes: number,
    output: Uint8Array,
    outputOffset: number,
    outputBytes: number,
  ): void
  onerror(message: string, errno: number, code: string): void
}

interface Kept {
  engine: Engine
  /** Remaining bytes of output room and of input after the last write. */
  left: Uint32Array
  /** The error message of the last write, if it failed. */
  fault: string | undefined
}

function keep(stream: unknown): Kept | undefined {
  const { _handle: engine, _writeState: left } = stream as {
    _handle?: Engine
    _writeState?: Uint32Array
  }
  if (
    typeof engine?.writeSync !== 'function' ||
    typeof engine.reset !== 'function' ||
    left === undefined
  ) {
    return undefined
  }
  const kept: Kept = { engine, left, fault: undefined }
  // Node's own handler would destroy the stream, and the engine with it.
  engine.onerror = (message) => {
    kept.fault = message
  }
  return kept
}

const deflaters = new Map<number, Kept | undefined>()
let inflater: { kept: Kept | undefined } | undefined

function deflaterOf(level: number): Kept | undefined {
  if (!deflaters.has(level)) deflaters.set(level, keep(createDeflateRaw({ level })))
  return deflaters.get(level)
}

function inflaterOf(): Kept | undefined {
  inflater ??= { kept: keep(createInflateRaw()) }
  return inflater.kept
}

/** Builds the engines that inflate, and that deflate at `level` (1 to 9), before they are used. */
export function buildEngines(level: number): void {
  inflaterOf()
  deflaterOf(level)
}

/** Deflates `bytes` into `target`, ended by a sync flush; returns the length of the output.
 *  `target` must be longer than the output by more than 6 bytes (zlib.h, deflate: otherwise the
 *  flush marker may be repeated). `level` is from 1 to 9. */
export function deflateInto(target: Uint8Array, bytes: Uint8Array, level: number): number {
  const kept = deflaterOf(level)
  if (kept === undefined) {
    const finishFlush = constants.Z_SYNC_FLUSH
    const deflated = deflateRawSync(bytes, { level, finishFlush, chunkSize: target.length })
    target.set(deflated)
    return deflated.length
  }
  const { engine, left } = kept
  kept.fault = undefined
  engine.reset()
  engine.writeSync(constants.Z_SYNC_FLUSH, bytes, 0, bytes.length, target, 0, target.length)
  if (kept.fault !== undefined) throw new Error(`deflate failed: ${String(kept.fault)}`)
  const [outputLeft = 0] = left
  if (outputLeft === 0) throw new RangeError('the target of deflateInto is too short')
  return target.length - outputLeft
}

export type InflateFault = 'corrupt' | 'too long' | 'too short' | 'has more'

/** Inflates a joining stream, which has no final block, to the front of `target`, which must have
 *  at least `sizeBytes` + 1 bytes. Returns undefined when it decodes to exactly `sizeBytes`,
 *  otherwise what is wrong; 'unable' when no engine can be kept. */
export function inflateJoiningInto(
  target: Uint8Array,
  stream: Uint8Array,
  sizeBytes: number,
): InflateFault | 'unable' | undefined {
  const kept = inflaterOf()
  if (kept === undefined) return 'unable'
  const { engine, left } = kept
  const room = sizeBytes + 1
  kept.fault = undefined
  engine.reset()
  engine.writeSync(constants.Z_SYNC_FLUSH, stream, 0, stream.length, target, 0, room)
  const [outputLeft = 0, inputLeft = 0] = left
  if (kept.fault !== undefined) return 'corrupt'
  if (outputLeft === 0) return 'too long'
  if (inputLeft !== 0) return 'has more'
  // A block must begin here: then the follower is read to its end, and the byte behind it is left
  // over.
  const { content, streamAndMore, followed } = followerOf()
  engine.writeSync(
    constants.Z_SYNC_FLUSH,
    streamAndMore,
    0,
    streamAndMore.length,
    followed,
    0,
    followed.length,
  )
  const isWhole =
    left[0] === 1 && left[1] === 1 && content.compare(followed, 0, content.length) === 0
  if (kept.fault !== undefined || !isWhole) return 'corrupt'
  return outputLeft === 1 ? undefined : 'too short'
}
