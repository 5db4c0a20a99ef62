/** The places of jobs in the ingest threads. Jobs without a place wait in order; a project gets
 *  only a share of everything. */
import { storeError } from '../../core/errors.ts'
import type { Place, PoolWorker } from './pool-worker.ts'

/** A thread runs several jobs, because some wait for the disk or for their sender; each may hold
 *  two ingest batches. */
const jobsPerWorker = 8
/** Those of them whose body may still be arriving: senders that are slow, even on purpose, hold
 *  these places as long as they like. */
const arrivingPerWorker = 4
const waitingMax = 1000
/** The share of each of these that one project may take. */
const shareOfProject = 0.75

export interface Places {
  /** Takes a place for a job whose body is arriving; undefined: none is free. */
  takeArriving(projectId: number): Place | undefined
  /** Waits for a place for a job that can run to its end. Errors: the signal's, those of `end`. */
  take(projectId: number, signal?: AbortSignal): Promise<Place>
  free(place: Place): void
  /** Gives free places to those who wait; to be called when there is another thread. */
  serve(): void
  /** Counts one who waits, or will once its body has arrived; returns how to stop that. Errors:
   *  busy. */
  enterLine(projectId: number): () => void
  /** Fails everyone who waits. */
  end(error: Error): void
}

interface Waiting {
  projectId: number
  begin(place: Place): void
  fail(error: unknown): void
}

/** `workers`: those that run, as they come and go; `workersMax`: usually. */
export function createPlaces(workers: readonly PoolWorker[], workersMax: number): Places {
  const waiting: Waiting[] = []
  const line = new Set<{ projectId: number }>()
  const taken = (): Place[] => workers.flatMap(({ jobs }) => [...jobs])
  const shareOf = (max: number): number => shareOfProject * max
  const ofProject = (projectId: number) => (each: { projectId: number }) =>
    each.projectId === projectId
  const place = (projectId: number, isArriving: boolean): Place | undefined => {
    const worker = workers.reduce<PoolWorker | undefined>(
      (best, each) => (best === undefined || each.jobs.size < best.jobs.size ? each : best),
      undefined,
    )
    if (worker === undefined || worker.jobs.size >= jobsPerWorker) return undefined
    const own = { worker, projectId, isArriving }
    worker.jobs.add(own)
    return own
  }
  const isBelowShare = ({ projectId }: { projectId: number }): boolean =>
    taken().filter(ofProject(projectId)).length < shareOf(jobsPerWorker * workersMax)
  const serve = (): void => {
    for (;;) {
      const at = waiting.findIndex(isBelowShare)
      const next = at < 0 ? undefined : place(waiting[at]!.projectId, false)
      if (next === undefined) return
      waiting.splice(at, 1)[0]!.begin(next)
    }
  }
  return {
    takeArriving: (projectId) => {
      const arriving = taken().filter(({ isArriving }) => isArriving)
      const max = arrivingPerWorker * workersMax
      const own = arriving.filter(ofProject(projectId))
      const isFull = arriving.length >= max || own.length >= shareOf(max)
      // Nobody waits whose project is below its share, unless there is no place at all. So the job
      // overtakes nobody.
      return isFull || !isBelowShare({ projectId }) ? undefined : place(projectId, true)
    },
    take: async (projectId, signal) => {
      signal?.throwIfAborted()
      return await new Promise<Place>((resolve, reject) => {
        // A client that has gone needs neither a thread nor a place in the queue.
        const leave = (): void => {
          waiting.splice(waiting.indexOf(own), 1)
          reject(signal?.reason as Error)
        }
        const settle =
          <T>(outcome: (value: T) => void) =>
          (value: T): void => {
            signal?.removeEventListener('abort', leave)
            outcome(value)
          }
        const own: Waiting = { projectId, begin: settle(resolve), fail: settle(reject) }
        signal?.addEventListener('abort', leave, { once: true })
        waiting.push(own)
        serve()
      })
    },
    free: (own) => {
      own.worker.jobs.delete(own)
      serve()
    },
    serve,
    enterLine: (projectId) => {
      const count = [...line].filter(ofProject(projectId)).length
      if (line.size >= waitingMax || count >= shareOf(waitingMax))
        throw storeError('busy', `${line.size} uploads are already waiting`, { what: 'uploads' })
      const own = { projectId }
      line.add(own)
      return () => {
        line.delete(own)
      }
    },
    end: (error) => {
      for (const { fail } of waiting.splice(0)) fail(error)
    },
  }
}
