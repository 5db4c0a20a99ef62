/** Downloads as readers: every answer that is made of stored bytes is made under a read lease, which ends with its body. */
import { assertLive } from '../browse/find-artifact.ts'
import { openReadLease, type ReadLease } from '../egress/read-lease.ts'
import type { Artifact } from '../metadata/metadata.ts'
import type { AppContext } from './context.ts'

/** Makes the answer under a lease of `artifacts`, taken before `answer` asks where anything lies.
 *  Errors: artifact_expired, artifact_deleted (between the caller's check and the lease), and those of `answer`. */
export async function underReadLease(
  context: AppContext,
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
    return new Response(endingWith(response.body, lease), response)
  } catch (error) {
    await lease.end()
    throw error
  }
}

async function leaseOf(context: AppContext, artifacts: readonly Artifact[]): Promise<ReadLease> {
  const ids = artifacts.map((artifact) => artifact.id)
  const lease = await openReadLease(context, ids, context.config.idleMs)
  if (lease !== undefined) return lease
  for (const { id } of artifacts) {
    const artifact = await context.metadata.findArtifact(id)
    if (artifact !== undefined) assertLive(artifact, context.now())
  }
  throw new Error(`artifacts ${ids.join(', ')} are live and cannot be leased`)
}

/** The same bytes; `lease` ends when they do, however that comes. */
function endingWith(
  body: ReadableStream<Uint8Array>,
  lease: ReadLease,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
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
      cancel: async (reason) => {
        await reader.cancel(reason)
        await lease.end()
      },
    },
    { highWaterMark: 0 },
  )
}
