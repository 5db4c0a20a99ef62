/** Turns expired artifacts into tombstones, and releases what removed ones hold once their
 *  removal cannot be undone. Reads enforce expiry by the clock even before this has run. Batches
 *  are small, so that a round can be stopped between any two. Idempotent. */
import type { ReleasePlace } from '../../metadata/metadata.ts'
import type { LifecyclePorts } from '../ports.ts'
import { clearRemoved } from './sweep.ts'

/** Each artifact is a handful of rows in one transaction; the rows it held are deleted
 *  afterwards. */
const batchArtifacts = 100

export async function expire(
  ports: LifecyclePorts,
  onProgress: (expired: number) => void,
): Promise<void> {
  const { metadata, now, checkpoint, signal } = ports
  let expired = 0
  for (;;) {
    signal?.throwIfAborted()
    const count = await metadata.expireArtifacts(now(), batchArtifacts)
    if (count === 0) return
    await clearRemoved(ports)
    expired += count
    onProgress(expired)
    await checkpoint?.('artifacts-expired')
  }
}

/** Releases what removed artifacts hold whose undo period ended by `by`, and deletes the rows left
 *  by a round that was stopped. Returns the ids of those that are being read. */
export async function releaseRemoved(
  ports: LifecyclePorts,
  by: number,
  onProgress: (released: number) => void,
): Promise<number[]> {
  const { metadata, now, signal } = ports
  const allWaiting: number[] = []
  let allReleased = 0
  for (let after: ReleasePlace | null = { at: -1, id: 0 }; after !== null;) {
    signal?.throwIfAborted()
    const page = { after, limit: batchArtifacts }
    const { released, waiting, last } = await metadata.releaseRemoved(by, now(), page)
    await clearRemoved(ports)
    allReleased += released
    allWaiting.push(...waiting)
    onProgress(allReleased)
    after = last
  }
  return allWaiting
}
