/** Turns artifacts past their time into tombstones. Reads enforce expiry by the clock before this has run. */
import type { LifecyclePorts } from './ports.ts'

const batchArtifacts = 200

/** Answers how many artifacts expired. Bounded batches; running it twice is harmless. */
export async function expire(ports: LifecyclePorts): Promise<number> {
  const { metadata, now, checkpoint, signal } = ports
  let expired = 0
  for (;;) {
    const ids = await metadata.listExpired(now(), batchArtifacts)
    if (ids.length === 0) return expired
    for (const id of ids) {
      signal?.throwIfAborted()
      const removal = { state: 'expired', reason: 'retention', now: now() } as const
      if (await metadata.removeArtifact(id, removal)) expired += 1
      await checkpoint?.('artifact-expired')
    }
  }
}
