/** What downloads read from: the two ports, narrowed to the methods that egress needs, so that a test can stand in for
 *  both with a few lines. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface Reader {
  metadata: Pick<
    Metadata,
    | 'readEntryPage'
    | 'readZipPages'
    | 'readParts'
    | 'readSkeletonPage'
    | 'findSkeletonPage'
    | 'readStreams'
    | 'markDamaged'
  >
  packs: Pick<PackStore, 'read'>
}
