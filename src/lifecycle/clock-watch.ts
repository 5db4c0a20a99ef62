/** Checks the clock before anything is destroyed because of it. Reads follow the clock at once:
 *  what they refuse by mistake, they serve again once the clock is corrected. What a round
 *  expires or deletes is gone. So rounds wait while the clock is ahead of the time the store
 *  knows to have passed: the last believed time, plus the time measured since by a monotonic
 *  clock. That sum is stored, so that a start with a wrong clock is noticed too. A machine that
 *  slept, or a server that was down, looks the same and waits as well, but for a bounded time. */
import { isRefusedByDisk } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { startSchedule } from './schedule.ts'

/** How far the clock is ahead of the expected time, and how much longer it must stay consistent
 *  to be believed. */
export interface ClockDoubt {
  aheadMs: number
  waitMs: number
}

export interface ClockWatch {
  /** Checks the clock; returns the doubt, or null if it is not ahead. */
  look(): ClockDoubt | null
  /** The clock's time, or, while it is doubted, the time it would show had it run on from the
   *  believed time. */
  believedNow(): number
  /** The time from which the retention of a new artifact counts: the clock's, or, while the clock
   *  is doubted because it is behind, the time it would show had it run on. Otherwise the artifact
   *  would expire once the clock is corrected. */
  retentionFrom(): number
  /** Stops the periodic checks. */
  stop(): Promise<void>
}

/** An instant, and the reading of the monotonic clock at that moment. */
interface Mark {
  at: number
  elapsed: number
}

export interface ClockWatchOptions {
  metadata: Pick<Metadata, 'believedTime' | 'noteBelievedTime'>
  log: Log
  now(): number
  /** Milliseconds of a monotonic clock. */
  elapsedMs(): number
}

class ClockError extends Error {
  override readonly name = 'ClockError'
}

/** What is uploaded by a clock that was never set would be expired once it is. Errors:
 *  ClockError. */
export function requireSetClock(now: number): void {
  if (now >= limits.clockMin) return
  throw new ClockError(
    `the clock of this machine shows ${new Date(now).toISOString()}: it is not set`,
  )
}

/** Checks the clock now and periodically, so that a jump is noticed before the round it could
 *  spoil. */
export async function startClockWatch(options: ClockWatchOptions): Promise<ClockWatch> {
  const { metadata, log, now, elapsedMs } = options
  let believed: Mark = { at: (await metadata.believedTime()) ?? now(), elapsed: elapsedMs() }
  /** Since when a clock that jumped has been consistent, and how long it must be. */
  let doubted: (Mark & { waitMs: number }) | undefined

  const believe = (mark: Mark): null => {
    if (doubted !== undefined)
      log.info('the clock is trusted again', { clock: new Date(mark.at).toISOString() })
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
    // A clock that is behind ends nothing too early.
    return aheadMs > 0 ? { aheadMs, waitMs } : null
  }
  const note = async (): Promise<void> => {
    look()
    try {
      await metadata.noteBelievedTime(expected())
    } catch (error) {
      // The next start then believes the clock a little later.
      if (!isRefusedByDisk(error)) throw error
    }
  }
  // Instants are whole milliseconds; the monotonic clock shows fractions.
  const expected = (): number => Math.round(believed.at + elapsedMs() - believed.elapsed)
  await note()
  const schedule = startSchedule({
    name: 'clock watch',
    intervalMs: limits.clockLookMs,
    log,
    round: note,
  })
  return {
    look,
    believedNow: () => (look() === null ? now() : expected()),
    retentionFrom: () => {
      look()
      return Math.max(now(), expected())
    },
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
  // A short jump is what a restart of the machine looks like and needs no attention.
  const level = aheadMs < limits.clockWaitMs ? 'info' : 'warn'
  log[level]('the clock is ahead of the time known to have passed; garbage collection is paused', {
    ...facts,
    waitSeconds: Math.ceil(waitMs / 1000),
  })
}

/** How much more time passed on the clock between two marks than on the monotonic one. */
function offset(mark: Mark, from: Mark): number {
  return mark.at - from.at - (mark.elapsed - from.elapsed)
}

function isSmall(offsetMs: number): boolean {
  return Math.abs(offsetMs) <= limits.clockToleranceMs
}

/** How long a clock that is off by `offMs` must be consistent: as long as it is off, which is
 *  what a restart or a pause looks like, up to an hour; beyond a day off, a share of it, so that
 *  a machine that mostly sleeps gets its rounds too. */
function waitOf(offMs: number): number {
  const { clockWaitMs, clockWaitMsMax, clockWaitShare } = limits
  return Math.min(Math.max(Math.min(offMs, clockWaitMs), offMs * clockWaitShare), clockWaitMsMax)
}
