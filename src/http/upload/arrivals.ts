/** Uploads in progress, shown on the page of a run. Kept in memory only: whatever an upload
 *  needs to continue is in the metadata and in staging, and after a restart the next request
 *  registers it again. */
import { limits } from '../../core/limits.ts'
import type { BodyContext } from '../body/body-context.ts'

export interface Arrival {
  projectId: number
  /** Run number, as users know it. */
  run: number
  name: string
  /** Bytes of request bodies, compressed or not. Content that the server already has is not
   *  sent. */
  receivedBytes: number
  /** Announced bytes of request bodies; null when not announced. */
  totalBytes: number | null
  /** Epoch ms of the last byte. */
  heardAt: number
}

export interface Arrivals {
  /** `key` identifies the upload in later calls. Beginning it again keeps the count and
   *  refreshes `heardAt`. */
  begin(key: string, upload: Pick<Arrival, 'projectId' | 'run' | 'name' | 'totalBytes'>): void
  /** Returns a context for `openRequestBody` that counts the received bytes for the upload. */
  counting(key: string, context: BodyContext): BodyContext
  /** The upload became an artifact, failed for good, or was replaced by another. */
  end(key: string): void
  /** Lists the uploads of a project, or of one of its runs, in the order in which they began. */
  list(projectId: number, run?: number): Arrival[]
}

/** Holds at most `limits.arrivalsMax` uploads, each for `limits.leaseMs` after its last byte. */
export function createArrivals(now: () => number): Arrivals {
  const arrivals = new Map<string, Arrival>()

  const forget = (): void => {
    for (const [key, { heardAt }] of arrivals) {
      const isOver = heardAt + limits.leaseMs < now() || arrivals.size > limits.arrivalsMax
      if (isOver) arrivals.delete(key)
    }
  }
  return {
    begin: (key, upload) => {
      const known = arrivals.get(key)
      arrivals.set(key, { receivedBytes: 0, ...known, ...upload, heardAt: now() })
      forget()
    },
    counting: (key, context) => ({
      ...context,
      metrics: {
        received: (bytes) => {
          context.metrics.received(bytes)
          const arrival = arrivals.get(key)
          if (arrival === undefined) return
          arrival.receivedBytes += bytes
          arrival.heardAt = now()
        },
      },
    }),
    end: (key) => {
      arrivals.delete(key)
    },
    list: (projectId, run) => {
      forget()
      return [...arrivals.values()].filter(
        (arrival) => arrival.projectId === projectId && (run ?? arrival.run) === arrival.run,
      )
    },
  }
}
