/** Lengths and digest of an artifact's generated representations, before it is committed. */
import { createDigestHasher, type Digest } from '../core/digest.ts'
import type { Metadata, StoredEntry } from '../metadata/metadata.ts'
import { emit } from './emit.ts'
import type { Reader } from './reader.ts'
import { unreadParts } from './segments.ts'
import { createTarGzMeter } from './tar-layout.ts'
import { createZipMeter, type MembersFrom, zipMember, zipSegments } from './zip-layout.ts'

export interface RepresentationLengths {
  zipBytes: number
  /** What the pages of entries come to in the zip (zip-layout.ts). */
  zipPages: Uint8Array
  tarGzBytes: number
}

/** Runs the layouts over the entries of a manifest, given in order, page by page. Modification times are not asked for: neither
 *  format's length depends on them, by construction. */
export function createRepresentationMeter(): {
  add(page: readonly StoredEntry[]): void
  lengths(): RepresentationLengths
} {
  const zip = createZipMeter()
  const tarGz = createTarGzMeter()
  const untimed = { modifiedAt: null, prefix: '', readParts: unreadParts }
  return {
    add: (entries) => {
      zip.add(entries.map((entry) => zipMember(entry, untimed)))
      tarGz.add(entries.map((entry) => ({ entry, modifiedAt: null })))
    },
    lengths: () => ({
      zipBytes: zip.totalBytes(),
      zipPages: zip.pages(),
      tarGzBytes: tarGz.finish(),
    }),
  }
}

/** The lengths of what a staged manifest will be served as. */
export async function measureRepresentations(
  metadata: Pick<Metadata, 'readStagedEntryPage'>,
  manifestId: number,
): Promise<RepresentationLengths> {
  const meter = createRepresentationMeter()
  for (let number = 0; ; number++) {
    const page = await metadata.readStagedEntryPage(manifestId, number)
    if (page === undefined) return meter.lengths()
    meter.add(page.entries)
  }
}

/** SHA-256 of the zip that a staged manifest will be served as. Reads every stored byte of it; for sites that let stock
 *  uploads be rebuilt, whose listed digest must be that of the rebuilt zip. `modifiedAt` answers by entry ordinal. */
export async function digestStagedZip(
  reader: Reader & { metadata: Pick<Metadata, 'readStagedEntryPage'> },
  manifestId: number,
  staged: { zipBytes: number; modifiedAt(ordinal: number): number | null },
): Promise<Digest> {
  const { readParts } = reader.metadata
  const membersFrom: MembersFrom = async function* (first) {
    for (let number = first; ; number++) {
      const page = await reader.metadata.readStagedEntryPage(manifestId, number)
      if (page === undefined) return
      const members = page.entries.map((entry, index) => {
        const modifiedAt = staged.modifiedAt(page.firstOrdinal + index)
        return zipMember(entry, { modifiedAt, prefix: '', readParts })
      })
      yield { page: number, members }
    }
  }
  const hasher = createDigestHasher()
  const range = { start: 0, end: staged.zipBytes, signal: undefined }
  for await (const bytes of emit(reader, zipSegments(membersFrom), range)) hasher.update(bytes)
  return hasher.digest()
}
