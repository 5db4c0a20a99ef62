/** Measures and hashes an artifact's generated representations before it is committed. */
import { createDigestHasher, type Digest } from '../core/bytes/digest.ts'
import type { Metadata, StoredEntry } from '../metadata/metadata.ts'
import { emit, type SegmentsFrom } from './emit.ts'
import type { Reader } from './reader.ts'
import { unreadParts } from './segments.ts'
import { createTarGzMeter } from './tar/tar-layout.ts'
import {
  createZipMarks,
  createZipMeter,
  type MembersFrom,
  zipMember,
  zipSegments,
} from './zip/zip-layout.ts'

export interface RepresentationLengths {
  zipBytes: number
  /** The sizes of each page of entries in the zip (zip-layout.ts). */
  zipPages: Uint8Array
  tarGzBytes: number
}

/** Runs the layouts over the entries of a manifest, added in order, page by page. Takes no
 *  modification times: by construction, neither format's length depends on them. */
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

/** Returns the lengths of the representations of a staged manifest. */
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

/** Returns the SHA-256 of the zip that a staged manifest will be served as. Reads every stored byte
 *  of it. Used where stock uploads are rebuilt as generated zips, whose listed digest must be that
 *  of the rebuilt zip. `modifiedAt` maps an entry's ordinal to its time. */
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
  const range = { start: 0, end: staged.zipBytes }
  const marks = createZipMarks()
  const segmentsFrom: SegmentsFrom = (start) => zipSegments(membersFrom, { start, marks })
  for await (const bytes of emit(reader, segmentsFrom, range)) hasher.update(bytes)
  return hasher.digest()
}
