/** The lengths of an artifact's generated representations, before it is committed. */
import type { Metadata } from '../metadata/metadata.ts'
import { unreadParts } from './segments.ts'
import { createTarGzMeter } from './tar-layout.ts'
import { createZipMeter, zipMember } from './zip-layout.ts'

/** Runs the layouts over a staged manifest. Modification times are not asked for: neither format's length depends on
 *  them, by construction. */
export async function measureRepresentations(
  metadata: Pick<Metadata, 'readStagedEntryPage'>,
  manifestId: number,
): Promise<{ zipBytes: number; tarGzBytes: number }> {
  const zip = createZipMeter()
  const tarGz = createTarGzMeter()
  for (let number = 0; ; number++) {
    const page = await metadata.readStagedEntryPage(manifestId, number)
    if (page === undefined) return { zipBytes: zip.totalBytes(), tarGzBytes: tarGz.finish() }
    const untimed = { modifiedAt: null, prefix: '', readParts: unreadParts }
    zip.add(page.entries.map((entry) => zipMember(entry, untimed)))
    tarGz.add(page.entries.map((entry) => ({ entry, modifiedAt: null })))
  }
}
