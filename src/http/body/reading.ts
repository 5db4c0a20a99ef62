/** Read leases for downloads: every response made of stored bytes is built under a read lease
 *  that ends with its body. */
import { assertLive } from '../../browse/find-artifact.ts'
import { openReadLease, type ReadLease } from '../../egress/read-lease.ts'
import type { Representation } from '../../egress/representation.ts'
import { type SendOptions, sendRepresentation } from './send-representation.ts'
import { seenByAll } from '../access/seen-by.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { AppContext, AppRequest } from '../context.ts'

interface LeasedAnswer extends Omit<SendOptions, 'onEnd'> {
  artifacts: readonly Artifact[]
  represent(): Promise<Representation>
}

/** Sends the representation that `represent` returns, under a lease taken before any copy is
 *  located. Errors: artifact_expired, artifact_deleted (between the caller's check and the lease),
 *  and those of `represent` and `sendRepresentation`. */
export async function sendUnderLease(
  context: ReadingContext & Pick<AppContext, 'graceOver'>,
  c: AppRequest,
  { artifacts, represent, ...options }: LeasedAnswer,
): Promise<Response> {
  const lease = await leaseOf(context, artifacts)
  try {
    const onEnd = lease.end
    const response = await sendRepresentation(context, c, await represent(), { ...options, onEnd })
    if (response.body === null) await lease.end()
    return response
  } catch (error) {
    await lease.end()
    throw error
  }
}

type ReadingContext = Pick<AppContext, 'metadata' | 'now'> & {
  config: Pick<AppContext['config'], 'idleMs'>
}

/** Errors: artifact_expired, artifact_deleted. */
export async function leaseOf(
  context: ReadingContext,
  artifacts: readonly Artifact[],
): Promise<ReadLease> {
  const ids = artifacts.map((artifact) => artifact.id)
  const lease = await openReadLease(context, ids, context.config.idleMs)
  if (lease !== undefined) return lease
  for (const { id } of artifacts) {
    const artifact = await context.metadata.findArtifact(id)
    if (artifact !== undefined) assertLive(seenByAll(artifact), context.now())
  }
  throw new Error(`artifacts ${ids.join(', ')} are live but cannot be leased`)
}
