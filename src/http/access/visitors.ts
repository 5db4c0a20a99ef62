/** Bounds how many requests without a credential, or with a signed URL that was handed out without
 *  one, are answered at once: each may be a download that lasts hours, and jobs need connections
 *  and the disk, too. */
import type { ServerResponse } from 'node:http'
import { storeError } from '../../core/errors.ts'

export interface Visitors {
  /** Counts a request until its response has been sent. Errors: busy. */
  admit(outgoing: Pick<ServerResponse, 'once' | 'destroyed'> | undefined): void
}

export function createVisitors({ publicRequestsMax }: { publicRequestsMax: number }): Visitors {
  const admitted = new Set<unknown>()
  return {
    admit: (outgoing) => {
      // A route may ask for its reader more than once. One whose client has hung up never closes
      // again.
      if (outgoing === undefined || outgoing.destroyed || admitted.has(outgoing)) return
      if (admitted.size >= publicRequestsMax) {
        const reason = `${publicRequestsMax} requests of visitors are in progress (TROVE_PUBLIC_REQUESTS): sign in, or try again later`
        throw storeError('busy', reason, { what: 'visitors' })
      }
      admitted.add(outgoing)
      outgoing.once('close', () => {
        admitted.delete(outgoing)
      })
    },
  }
}
