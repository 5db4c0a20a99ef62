/** The ports that maintenance uses. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface LifecyclePorts {
  metadata: Metadata
  packs: PackStore
  now(): number
  /** Called at named steps, for tests that stop or kill the process there. */
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
  /** Aborted when work must end soon: it stops between two steps, and the next round continues. */
  signal?: AbortSignal | undefined
}
