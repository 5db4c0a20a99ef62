/** Judges the clock before anything is destroyed by it. Reads follow the clock at once, and what they refuse by mistake they
 *  serve again when it is set right; what a round expires or forgets is gone. So rounds wait while the clock is further than
 *  the store can know it to be: ahead of where it was believed last, plus what a clock that cannot jump says has passed since.
 *  What was believed is written down, so that a start with a wrong clock is noticed too. A machine that slept, or a server
 *  that was down, looks the same and waits as well, but never for ever. */
import { hasCode } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { startSchedule } from './schedule.ts'

/** How far the clock is off from what was expected, and how long it must go on like that to be believed. */
export interface ClockDoubt {
  aheadMs: number
  waitMs: number
}

export interface ClockWatch {
  /** Looks at the clock; the doubt there is, if it is ahead. */
  look(): ClockDoubt | null
  /** What the clock says, or would say if it had gone on from where it was believed. */
  believedNow(): number
  /** Ends looking by itself. */
  stop(): Promise<void>
}

/** An instant, and the reading of the clock that cannot jump at that moment. */
interface Mark {
  at: number
  elapsed: number
}

export interface ClockWatchOptions {
  metadata: Pick<Metadata, 'believedTime' | 'noteBelievedTime'>
  log: Log
  now(): number
  /** Milliseconds by a clock that cannot jump. */
  elapsedMs(): number
}

/** Looks now, and all along, so that a jump is noticed before the round that it could spoil. */
export async function startClockWatch(options: ClockWatchOptions): Promise<ClockWatch> {
  const { metadata, log, now, elapsedMs } = options
  let believed: Mark = { at: (await metadata.believedTime()) ?? now(), elapsed: elapsedMs() }
  /** Since when a clock that is off goes on like that, and how long it must. */
  let doubted: (Mark & { waitMs: number }) | undefined

  const believe = (mark: Mark): null => {
    if (doubted !== undefined)
      log.info('the clock is believed', { clock: new Date(mark.at).toISOString() })
    doubted = undefined
    believed = mark
    return null
  }
  const look = (): ClockDoubt | null => {
    const mark = { at: now(), elapsed: elapsedMs() }
    const aheadMs = offset(mark, believed)
    if (isSmall(aheadMs)) return believe(mark)
    if (doubted === undefined || !isSmall(offset(mark, doubted))) {
      doubted = { ...mark, waitMs: waitOf(Math.abs(aheadMs)) }
      report(log, aheadMs, doubted)
    }
    const waitMs = doubted.waitMs - (mark.elapsed - doubted.elapsed)
    if (waitMs <= 0) return believe(mark)
    // By an earlier time than the one that was believed nothing ends too soon.
    return aheadMs > 0 ? { aheadMs, waitMs } : null
  }
  const note = async (): Promise<void> => {
    look()
    if (doubted !== undefined) return
    try {
      await metadata.noteBelievedTime(believed.at)
    } catch (error) {
      // The next start believes the clock a little later.
      if (!hasCode(error, 'storage_full')) throw error
    }
  }
  await note()
  const schedule = startSchedule({
    name: 'clock watch',
    intervalMs: limits.clockLookMs,
    log,
    round: async () => {
      await note()
      return {}
    },
  })
  return {
    look,
    believedNow: () => (look() === null ? now() : believed.at + elapsedMs() - believed.elapsed),
    stop: async () => {
      await schedule.stop()
      await note()
    },
  }
}

function report(log: Log, aheadMs: number, { at, waitMs }: Mark & { waitMs: number }): void {
  const facts = { clock: new Date(at).toISOString(), seconds: Math.round(Math.abs(aheadMs) / 1000) }
  if (aheadMs < 0) {
    log.warn('the clock was set back', facts)
    return
  }
  // A restart of the machine looks like this, and is nothing to look after.
  const level = aheadMs < limits.clockWaitMs ? 'info' : 'warn'
  log[level](
    'the clock is ahead of the time that is known to have passed; garbage collection waits',
    { ...facts, waitSeconds: Math.ceil(waitMs / 1000) },
  )
}

/** How much further the clock has gone between two marks than time has. */
function offset(mark: Mark, from: Mark): number {
  return mark.at - from.at - (mark.elapsed - from.elapsed)
}

function isSmall(offsetMs: number): boolean {
  return Math.abs(offsetMs) <= limits.clockToleranceMs
}

/** As long as the clock is off, which is what a restart or a pause looks like, up to an hour; a share of what is more than a
 *  day, so that a machine that mostly sleeps comes to its rounds too. */
function waitOf(offMs: number): number {
  const { clockWaitMs, clockWaitMsMax, clockWaitShare } = limits
  return Math.min(Math.max(Math.min(offMs, clockWaitMs), offMs * clockWaitShare), clockWaitMsMax)
}
