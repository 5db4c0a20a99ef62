/** Read leases for downloads: every response made of stored bytes is built under a read lease
 *  that ends with its body. */
import { assertLive } from '../../browse/find-artifact.ts'
import { openReadLease, type ReadLease } from '../../egress/read-lease.ts'
import type { Representation } from '../../egress/representation.ts'
import { type SendOptions, sendRepresentation } from './send-representation.ts'
import { seenByAll } from '../access/seen-by.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { type AppContext, type AppRequest, type Outgoing, outgoingOf } from '../context.ts'

interface LeasedAnswer extends SendOptions {
  artifacts: readonly Artifact[]
  represent(): Promise<Representation>
}

/** Sends the representation that `represent` returns, under a lease taken before any copy is
 *  located. Errors: those of `underReadLease`, `represent` and `sendRepresentation`. */
export async function sendUnderLease(
  context: ReadingContext & Pick<AppContext, 'graceOver'>,
  c: AppRequest,
  { artifacts, represent, ...options }: LeasedAnswer,
): Promise<Response> {
  return await underReadLease(
    context,
    c,
    artifacts,
    async () => await sendRepresentation(context, c, await represent(), options),
  )
}

type ReadingContext = Pick<AppContext, 'metadata' | 'now'> & {
  config: Pick<AppContext['config'], 'idleMs'>
}

/** Builds a response under a lease of `artifacts`, taken before `answer` locates any copy.
 *  Errors: artifact_expired, artifact_deleted (between the caller's check and the lease), and
 *  those of `answer`. */
export async function underReadLease(
  context: ReadingContext,
  c: AppRequest,
  artifacts: readonly Artifact[],
  answer: () => Promise<Response>,
): Promise<Response> {
  const lease = await leaseOf(context, artifacts)
  try {
    const response = await answer()
    if (response.body === null) {
      await lease.end()
      return response
    }
    return new Response(endingWith(response.body, lease, outgoingOf(c)), response)
  } catch (error) {
    await lease.end()
    throw error
  }
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

/** Returns a stream of the same bytes that ends `lease` when it ends, fails or is cancelled, and
 *  at the latest when `outgoing` closes: a response whose headers cannot be sent ends without
 *  its body being read or cancelled. */
function endingWith(
  body: ReadableStream<Uint8Array>,
  lease: ReadLease,
  outgoing: Outgoing | undefined,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const close = async (reason: unknown): Promise<void> => {
    try {
      await reader.cancel(reason)
    } finally {
      await lease.end()
    }
  }
  outgoing?.once('close', () => {
    // The error has no receiver. A lease that could not be ended is not renewed and expires.
    close(new Error('the response has ended')).catch(() => undefined)
  })
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const chunk = await reader.read()
          if (!chunk.done) {
            controller.enqueue(chunk.value)
            return
          }
          await lease.end()
          controller.close()
        } catch (error) {
          await lease.end()
          throw error
        }
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  )
}
