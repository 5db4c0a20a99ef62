/** The ports that downloads read from, narrowed to the methods that egress needs, so that tests can
 *  replace both with a few lines. */
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
