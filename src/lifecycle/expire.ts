/** Turns artifacts past their time into tombstones. Reads enforce expiry by the clock before this has run. */
import type { LifecyclePorts } from './ports.ts'

/** Each is a handful of rows in one transaction; what it held goes afterwards. */
const batchArtifacts = 100

/** Answers how many artifacts expired. Bounded batches; running it twice is harmless. */
export async function expire(ports: LifecyclePorts): Promise<number> {
  const { metadata, now, checkpoint, signal } = ports
  let expired = 0
  for (;;) {
    signal?.throwIfAborted()
    const count = await metadata.expireArtifacts(now(), batchArtifacts)
    if (count === 0) return expired
    expired += count
    await checkpoint?.('artifacts-expired')
  }
}
