/** Turns artifacts past their time into tombstones, and lets go of what removed ones held once that cannot be taken back. Reads
 *  enforce expiry by the clock before this has run. Batches are small, so that a round can be stopped between any two of
 *  them; running it twice is harmless. */
import type { ReleasePlace } from '../metadata/metadata.ts'
import type { LifecyclePorts } from './ports.ts'
import { clearRemoved } from './sweep.ts'

/** Each is a handful of rows in one transaction; what it held goes afterwards. */
const batchArtifacts = 100

/** Answers how many artifacts expired. */
export async function expire(
  ports: LifecyclePorts,
  onProgress: (expired: number) => void,
): Promise<number> {
  const { metadata, now, checkpoint, signal } = ports
  let expired = 0
  for (;;) {
    signal?.throwIfAborted()
    const count = await metadata.expireArtifacts(now(), batchArtifacts)
    if (count === 0) return expired
    await clearRemoved(ports)
    expired += count
    onProgress(expired)
    await checkpoint?.('artifacts-expired')
  }
}

export interface Release {
  released: number
  /** Those that somebody reads. */
  waiting: number[]
}

/** Removed artifacts whose time to undo ended by `by` let go of what they held. */
export async function releaseRemoved(
  ports: LifecyclePorts,
  by: number,
  onProgress: (released: number) => void,
): Promise<Release> {
  const { metadata, now, signal } = ports
  const all: Release = { released: 0, waiting: [] }
  for (let after: ReleasePlace | null = { at: -1, id: 0 }; after !== null;) {
    signal?.throwIfAborted()
    const page = { after, limit: batchArtifacts }
    const { released, waiting, last } = await metadata.releaseRemoved(by, now(), page)
    await clearRemoved(ports)
    all.released += released
    all.waiting.push(...waiting)
    onProgress(all.released)
    after = last
  }
  return all
}
