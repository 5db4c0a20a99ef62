/** A series of snapshots and changes in the bucket: captures the pages that the database changes,
 *  and sends them at intervals. When changes may have been missed, the series is over, and the next
 *  snapshot begins another one.
 *
 *  What could not be sent is sent again, byte for byte: the service may still be storing it. What
 *  comes meanwhile waits in memory; beyond `waitingBytesMax` the series is given up. */
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BucketPlace } from '../../core/bucket-place.ts'
import { asError, hasCode } from '../../core/errors.ts'
import type { Log } from '../../log.ts'
import type { PageCapture } from '../../metadata/metadata.ts'
import { requireBucket } from '../../packs/pack-place.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { openS3Bucket } from '../../packs/s3/s3-bucket.ts'
import { changesBytesMax, type ChangesHeader, encodeChanges, type Pages } from './changes.ts'
import { createConfirmations } from './confirmations.ts'
import { createPendingPages, type PendingPages } from './pending-pages.ts'
import { sendCompressed } from './send-compressed.ts'
import { metadataKey, newSeries } from './snapshots.ts'

export interface SeriesOptions {
  capture: PageCapture
  openBucket(): Promise<Bucket>
  /** Errors: invalid_request, when the bucket is no longer this store's; those of the bucket. */
  requireOwn(bucket: Bucket): Promise<void>
  /** Time between two sends of changes; null: those after a snapshot are not sent. */
  intervalMs: number | null
  log: Log
}

/** Place of a snapshot whose copying begins. */
export interface SnapshotPlace {
  number: number
  series: string
  /** To be called when the file is copied, before the snapshot becomes visible: sends all that is
   *  committed by now. Errors: the series is over, those of the bucket. */
  complete(): Promise<void>
}

export interface SentChanges {
  objects: number
  /** As they are in the bucket. */
  bytes: number
}

export interface Series {
  /** Runs `send`, which sends a snapshot, while the database is captured: if there is no series, in
   *  a new one, whose numbers are above `last` + 1. Errors: the capture cannot begin, those of
   *  `send`. */
  follow<T>(last: number, send: (place: SnapshotPlace) => Promise<T>): Promise<T>
  /** Whether there is a snapshot, and all changes since are sent or will be. */
  isFollowing(): boolean
  /** Resolves once it is so. */
  following(): Promise<unknown>
  /** What was sent since the copying of the last snapshot began. */
  sentSince(): SentChanges
  /** How long the oldest change that is not sent has waited; 0: none does. */
  lagMs(): number
  /** Resolves when the bucket has all that was committed before the call, and was this store's
   *  then: whoever takes it over later restores it. Waits for a snapshot that changes follow.
   *  Errors: busy, storage_failed (the bucket is no longer this store's), storage_full. */
  confirm(): Promise<void>
  /** Ends the series, and tries to send what is not sent for at most `closeMsMax`. */
  close(): Promise<void>
}

/** Bytes that are sent before the interval is over. */
const sentEarlyBytes = 8 * 1024 * 1024
/** Upper bound on bytes that wait; as many may be on their way. */
const waitingBytesMax = changesBytesMax / 2
const noChanges: SentChanges = { objects: 0, bytes: 0 }
/** How long the end of a series waits for the bucket. */
export const closeMsMax = 10_000

/** A series that has begun. */
interface Running {
  readonly series: string
  readonly bucket: Bucket
  readonly pending: PendingPages
  /** Number of the next changes, after those that are being sent. */
  next: number
  /** Changes that are being sent, or could not be. */
  unsent: { number: number; header: ChangesHeader; pages: Pages } | undefined
  /** Last snapshot whose copying has ended. */
  completes: number | null
  hasSnapshot: boolean
  sentSince: SentChanges
  isFailing: boolean
  /** Once at a time: each commit during a long send would otherwise send what little has come. */
  isSendingEarly: boolean
  timer: NodeJS.Timeout | undefined
}

/** The series of the store in `dataDir`. */
export function openStoreSeries({
  dataDir,
  place,
  ...options
}: Pick<SeriesOptions, 'capture' | 'intervalMs' | 'log'> & {
  dataDir: string
  place: BucketPlace
}): Series {
  return openSeries({
    ...options,
    openBucket: async () => await openS3Bucket(place),
    requireOwn: async (objects) => await requireBucket(dataDir, { place, objects }),
  })
}

function createRunning(bucket: Bucket, next: number, recordBytes: number): Running {
  return {
    series: newSeries(),
    bucket,
    pending: createPendingPages(recordBytes),
    next,
    unsent: undefined,
    completes: null,
    hasSnapshot: false,
    sentSince: noChanges,
    isFailing: false,
    isSendingEarly: false,
    timer: undefined,
  }
}

export function openSeries(options: SeriesOptions): Series {
  const { capture, openBucket, requireOwn, intervalMs, log } = options
  let running: Running | undefined
  const events = new EventEmitter()
  const sender = createSender(options, (own) => own === running)

  const end = (): void => {
    if (running === undefined) return
    const { bucket, timer } = running
    running = undefined
    clearTimeout(timer)
    capture.stop()
    void sender.idle().then(() => bucket.close())
  }
  const lose = (reason: string): void => {
    if (running === undefined) return
    end()
    log.warn('the metadata in the bucket do not follow until the next snapshot', { reason })
  }
  const sendSoon = async (own: Running): Promise<void> => {
    clearTimeout(own.timer)
    own.timer = undefined
    try {
      await sender.send(own, () => own.pending.readyBytes() > 0)
      if (own.isFailing) log.info('the metadata in the bucket follow again')
      own.isFailing = false
    } catch (error) {
      if (own !== running) return
      if (hasCode(error, 'invalid_request')) return lose(asError(error).message)
      if (!own.isFailing)
        log.warn('changes of the metadata cannot be sent yet', { error: asError(error) })
      own.isFailing = true
      arm(own)
    }
  }
  /** Sends while there is much. */
  const sendEarly = async (own: Running): Promise<void> => {
    own.isSendingEarly = true
    while (own === running && !own.isFailing && own.pending.readyBytes() >= sentEarlyBytes)
      await sendSoon(own)
    own.isSendingEarly = false
  }
  const arm = (own: Running): void => {
    if (intervalMs === null || own !== running) return
    own.timer ??= setTimeout(() => void sendSoon(own), intervalMs).unref()
  }
  const following = async (signal?: AbortSignal): Promise<Running> => {
    while (!running?.hasSnapshot) await once(events, 'following', signal && { signal })
    return running
  }
  const confirm = createConfirmations(async (signal) => {
    const own = await following(signal)
    try {
      await capture.flush()
      await sender.send(own, () => own.pending.readyBytes() > 0)
      // Whoever takes the bucket over finds out what to restore only afterwards.
      await requireOwn(own.bucket)
    } catch (error) {
      if (own === running && hasCode(error, 'invalid_request')) lose(asError(error).message)
      arm(own)
      throw error
    }
  })
  const begin = async (last: number): Promise<Running> => {
    // A server whose bucket was taken over may still be storing an object with the number that
    // follows, and its snapshot then appears: it must not pass for the newest one.
    const own = createRunning(await openBucket(), last + 2, capture.recordBytes)
    const { pending } = own
    running = own
    await capture
      .start({
        onPages: (records) => {
          pending.add(records)
          if (pending.waitingBytes() > waitingBytesMax)
            lose('more has changed than the bucket has taken')
        },
        onCommitted: (pageCount) => {
          pending.commit(pageCount)
          if (pending.readyBytes() > 0) arm(own)
          if (!own.isSendingEarly) void sendEarly(own)
        },
        onLost: lose,
      })
      .catch((error: unknown) => {
        end()
        throw error
      })
    return own
  }
  return {
    follow: async (last, work) => {
      const earlier = running
      const own = earlier ?? (await begin(last))
      const { series, next: number } = own
      own.sentSince = noChanges
      if (earlier !== undefined) await capture.repeat()
      const complete = async (): Promise<void> => {
        await capture.flush()
        own.completes = number
        await sender.send(own, () => true)
      }
      try {
        const result = await work({ number, series, complete })
        own.hasSnapshot = true
        events.emit('following')
        return result
      } finally {
        if (intervalMs === null) end()
      }
    },
    isFollowing: () => running?.hasSnapshot ?? false,
    following: async () => await following(),
    sentSince: () => running?.sentSince ?? noChanges,
    lagMs: () => running?.pending.waitedMs() ?? 0,
    confirm,
    close: async () => {
      const own = running
      if (own?.hasSnapshot) {
        const rest = capture.flush().then(async () => await sendSoon(own))
        await Promise.race([rest.catch(() => {}), sleep(closeMsMax, undefined, { ref: false })])
      }
      end()
    },
  }
}

interface Sender {
  /** Sends what could not be sent of a series, and then what can be sent, if `isDue` then. Errors:
   *  the series is over, those of the bucket. */
  send(own: Running, isDue: () => boolean): Promise<void>
  /** Resolves when what is being sent has arrived or failed. */
  idle(): Promise<unknown>
}

function createSender(
  { capture, requireOwn }: SeriesOptions,
  isRunning: (own: Running) => boolean,
): Sender {
  const { recordBytes } = capture
  let sending: Promise<unknown> = Promise.resolve()
  const sendUnsent = async (own: Running): Promise<void> => {
    const { series, bucket, unsent, pending } = own
    if (unsent === undefined) return
    const { number, header, pages } = unsent
    await requireOwn(bucket)
    const key = metadataKey({ kind: 'changes', number, series })
    const bytes = await sendCompressed(bucket, { key, source: encodeChanges(header, pages) })
    const { sentSince } = own
    own.sentSince = { objects: sentSince.objects + 1, bytes: sentSince.bytes + bytes }
    own.unsent = undefined
    pending.settle()
  }
  return {
    send: async (own, isDue) => {
      const sent = sending.then(async () => {
        if (!isRunning(own)) throw new Error('the series is over')
        await sendUnsent(own)
        if (!isDue()) return
        const { pageCount, pages } = own.pending.take()
        const header = { recordBytes, pageCount, completes: own.completes }
        own.unsent = { number: own.next++, header, pages }
        await sendUnsent(own)
      })
      sending = sent.catch(() => {})
      await sent
    },
    idle: async () => await sending,
  }
}
