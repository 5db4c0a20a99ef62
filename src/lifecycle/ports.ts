/** What maintenance works with. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface LifecyclePorts {
  metadata: Metadata
  packs: PackStore
  now(): number
  /** Named steps, for tests that stop or kill here. */
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
  /** Aborted when work must end soon; it stops between two steps, and the next round goes on. */
  signal?: AbortSignal | undefined
}
