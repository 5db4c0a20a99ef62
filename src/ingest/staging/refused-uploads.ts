/** Stock uploads whose bytes Finalize rejected. They are kept while the process lives, because the
 *  client may correct its request, and removed at the next start, when nobody waits for them any
 *  more. */
import type { Metadata } from '../../metadata/metadata.ts'
import type { Staging } from './staging.ts'

export async function dropRefusedUploads(
  metadata: Pick<Metadata, 'listLiveUploads' | 'removeUpload'>,
  staging: Staging,
): Promise<void> {
  for (const id of await metadata.listLiveUploads()) {
    if (!(await staging.wasRefused(id))) continue
    await metadata.removeUpload(id)
    await staging.removeUpload(id)
  }
}
