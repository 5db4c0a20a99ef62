/** Dispatches the steps of a negotiated upload. */
import type { Readable } from 'node:stream'
import type { IngestPorts } from '../session.ts'
import { commitOffer } from './commit-offer.ts'
import type { NegotiationAnswer, NegotiationJob } from './job.ts'
import { findMissing, receiveManifest } from './receive-manifest.ts'
import { receiveBlobs } from './receive-blobs.ts'
import { receiveChanges } from './receive-changes.ts'
import { receiveParts } from './receive-parts.ts'
import { receiveTimes } from './receive-times.ts'

/** Runs one step. Errors: those of the step, and session_ended. */
export async function negotiate(
  given: IngestPorts,
  job: NegotiationJob,
  source: { body?: Readable | undefined; signal?: AbortSignal | undefined },
): Promise<NegotiationAnswer> {
  const ports = job.sentOnly ? knowingOnlySent(given) : given
  if (job.step === 'missing') return await findMissing(ports, job)
  if (job.step === 'commit') return await commitOffer(ports, job, source.signal)
  const { body } = source
  if (body === undefined) throw new Error(`step ${job.step} needs a body`)
  switch (job.step) {
    case 'manifest':
      return await receiveManifest(ports, job, body)
    case 'changes':
      return await receiveChanges(ports, job, body)
    case 'times':
      return await receiveTimes(ports, job, body)
    case 'parts':
      return await receiveParts(ports, job, body)
    case 'blobs':
      return await receiveBlobs(ports, job, body)
  }
}

/** Ports through which a session finds nothing that it did not send (invariant 10). */
function knowingOnlySent(ports: IngestPorts): IngestPorts {
  const { metadata } = ports
  return {
    ...ports,
    metadata: {
      ...metadata,
      claimReadableBlobs: async (sessionId, digests) =>
        await metadata.claimSentBlobs(sessionId, digests),
      findKnownTree: async () => undefined,
      leaseKnownTree: async () => undefined,
    },
  }
}
