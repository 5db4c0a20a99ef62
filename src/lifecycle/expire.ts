/** Turns artifacts past their time into tombstones. Reads enforce expiry by the clock before this has run. */
import type { LifecyclePorts } from './sweep.ts'

const batchArtifacts = 200

/** Answers how many artifacts expired. Bounded batches; running it twice is harmless. */
export async function expire(ports: LifecyclePorts): Promise<number> {
  let expired = 0
  for (;;) {
    const ids = await ports.metadata.listExpired(ports.now(), batchArtifacts)
    if (ids.length === 0) return expired
    for (const id of ids) {
      await ports.metadata.removeArtifact(id, {
        state: 'expired',
        reason: 'retention',
        now: ports.now(),
      })
      expired += 1
    }
  }
}
