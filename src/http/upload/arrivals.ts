/** Uploads under way, for people who look at a run meanwhile. Kept in memory only: what an upload needs to go on is in the
 *  metadata and in staging, and a server that was started anew hears of it again. */
import { limits } from '../../core/limits.ts'
import type { BodyContext } from '../body/body-context.ts'

export interface Arrival {
  projectId: number
  /** Run number, as users know it. */
  run: number
  name: string
  /** Of bodies, deflated or not; what is known already is not sent. */
  receivedBytes: number
  /** Of bodies, where the client has said it. */
  totalBytes: number | null
  /** Epoch ms of the last byte. */
  heardAt: number
}

export interface Arrivals {
  /** `key` names the upload in later calls. Beginning it again only notes that it was heard of. */
  begin(key: string, upload: Pick<Arrival, 'projectId' | 'run' | 'name' | 'totalBytes'>): void
  /** The context for `openRequestBody` that counts what arrives for the upload. */
  counting(key: string, context: BodyContext): BodyContext
  /** It became an artifact, failed for good, or gave way to another. */
  end(key: string): void
  /** Of one run, in the order of their begin. */
  list(projectId: number, run: number): Arrival[]
}

/** Remembers at most `limits.arrivalsMax`, and each for `limits.leaseMs` after its last byte. */
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
        (arrival) => arrival.projectId === projectId && arrival.run === run,
      )
    },
  }
}
