/** An in-memory artifact: both ports as far as egress reads them, over packs that a test can
 *  inspect and damage. */
import { constants, deflateRawSync } from 'node:zlib'
import type { ArtifactKind, ArtifactName } from '../../src/core/artifact.ts'
import type {
  BlobPlacement,
  Copy,
  CopyCodec,
  Part,
  StreamPlace,
} from '../../src/core/bytes/copy.ts'
import { crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { comparePaths, parseEntryPath } from '../../src/core/manifest/entry.ts'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { noFacts, type ProjectName } from '../../src/core/run/run.ts'
import { createRepresentationMeter, type RepresentationLengths } from '../../src/egress/measure.ts'
import type { Reader } from '../../src/egress/reader.ts'
import type {
  Artifact,
  EntryPage,
  PlacedStream,
  SkeletonPage,
  StoredEntry,
} from '../../src/metadata/metadata.ts'

export type FileForm = CopyCodec | { partBytes: number }

export type EntrySpec =
  | {
      kind: 'file'
      path: string
      mode?: number
      content: Buffer
      form: FileForm
      modifiedAt?: number | null
    }
  | { kind: 'directory'; path: string; mode?: number; modifiedAt?: number | null }
  | { kind: 'symlink'; path: string; target: string; modifiedAt?: number | null }

export interface MemoryStore {
  reader: Reader
  /** Pack name to its bytes; change these to damage the pack. */
  packs: Map<string, Buffer>
  /** Every read of a pack, in order. */
  reads: { packName: string; offset: number; lengthBytes: number }[]
  marked: StreamPlace[]
  /** Called before each read; may throw. */
  beforeRead: (count: number) => Promise<void> | void
  /** Appends `bytes` to the current pack as a copy. */
  store(bytes: Buffer, codec: CopyCodec): Copy
  addFile(content: Buffer, form: FileForm): BlobPlacement
  addArtifact(specs: EntrySpec[], facts?: Partial<Artifact>): Artifact
  addStream(copy: Copy, content: Buffer): PlacedStream
  addSkeleton(artifactId: number, pages: SkeletonPage[]): void
}

const joined = (content: Buffer): Buffer =>
  deflateRawSync(content, { finishFlush: constants.Z_SYNC_FLUSH })

/** `packBytes`: size at which a new pack is begun; a small one scatters an artifact over many
 *  packs. */
export function createMemoryStore(options: { packBytes?: number } = {}): MemoryStore {
  const packBytes = options.packBytes ?? 64 * 1024 * 1024
  const packs = new Map<string, Buffer>()
  const parts = new Map<number, Part[]>()
  const artifacts = new Map<number, EntryPage[]>()
  const zips = new Map<number, Uint8Array>()
  const streams = new Map<number, PlacedStream>()
  const skeletons = new Map<number, SkeletonPage[]>()
  let pieces: Buffer[] = []
  let packLength = 0
  let packName = 'pack-0'
  let nextId = 1

  const seal = (): void => {
    if (pieces.length > 0)
      packs.set(packName, Buffer.concat([packs.get(packName) ?? Buffer.alloc(0), ...pieces]))
    pieces = []
  }

  const store: MemoryStore = {
    packs,
    reads: [],
    marked: [],
    beforeRead: () => undefined,
    store: (bytes, codec) => {
      if (packLength > packBytes) {
        seal()
        packName = `pack-${nextId}`
        packLength = 0
      }
      // Separates copies, as the headers in a pack do.
      pieces.push(Buffer.alloc(37, 0xee), bytes)
      const offset = packLength + 37
      packLength = offset + bytes.length
      return {
        streamId: nextId++,
        codec,
        packName,
        offset,
        lengthBytes: bytes.length,
        checks: checksOf(bytes),
        damaged: false,
      }
    },
    addFile: (content, form) => {
      const facts = {
        blobId: nextId++,
        digest: digestOf(content),
        sizeBytes: content.length,
        crc32: crc32(content),
      }
      if (typeof form === 'string') {
        const bytes = {
          joining: joined,
          deflate: (b: Buffer) => deflateRawSync(b),
          stored: (b: Buffer) => b,
        }[form](content)
        const copy = store.store(bytes, form)
        return { ...facts, copy, partCount: 0, joinedBytes: copy.lengthBytes }
      }
      const list: Part[] = []
      for (let start = 0; start < content.length; start += form.partBytes) {
        const part = content.subarray(start, start + form.partBytes)
        list.push({
          sizeBytes: part.length,
          crc32: crc32(part),
          copy: store.store(joined(part), 'joining'),
        })
      }
      parts.set(facts.blobId, list)
      const joinedBytes = list.reduce((sum, part) => sum + part.copy.lengthBytes, 0)
      return { ...facts, copy: null, partCount: list.length, joinedBytes }
    },
    addStream: (copy, content) => {
      const { streamId } = copy
      const stream = {
        streamId,
        copy,
        sizeBytes: content.length,
        crc32: crc32(content),
        blobDigest: digestOf(content),
      }
      streams.set(streamId, stream)
      return stream
    },
    addSkeleton: (artifactId, pages) => {
      skeletons.set(artifactId, pages)
    },
    addArtifact: (specs, facts = {}) => {
      const id = nextId++
      const sorted = specs.toSorted((a, b) => comparePaths(a.path, b.path))
      const entries = sorted.map((spec) => toEntry(store, spec))
      const times = sorted.map((spec) => spec.modifiedAt ?? null)
      const pages: EntryPage[] = []
      for (let first = 0; first < entries.length; first += limits.manifestPageEntries) {
        const end = first + limits.manifestPageEntries
        pages.push({
          firstOrdinal: first,
          entries: entries.slice(first, end),
          modifiedAt: times.slice(first, end),
        })
      }
      artifacts.set(id, pages)
      const { zipPages, ...lengths } = measure(pages)
      zips.set(id, zipPages)
      return { ...blankArtifact(id), ...lengths, entryCount: entries.length, ...facts }
    },
    reader: {
      packs: {
        read: async (name, offset, lengthBytes, into) => {
          seal()
          store.reads.push({ packName: name, offset, lengthBytes })
          await store.beforeRead(store.reads.length)
          const pack = packs.get(name)
          if (pack === undefined) throw storeError('not_found', `no pack ${name}`, { what: name })
          if (offset + lengthBytes > pack.length) {
            throw storeError('blob_damaged', `pack ${name} ends early`, { digest: null, paths: [] })
          }
          const bytes = into?.subarray(0, lengthBytes) ?? Buffer.alloc(lengthBytes)
          bytes.set(pack.subarray(offset, offset + lengthBytes))
          return bytes
        },
      },
      metadata: {
        readEntryPage: async (id, page) => artifacts.get(id)?.[page],
        readZipPages: async (id) => zips.get(id) ?? null,
        readParts: async (blobId, first, limit) =>
          parts.get(blobId)?.slice(first, first + limit) ?? [],
        readStreams: async (ids) => ids.map((id) => streams.get(id)!),
        readSkeletonPage: async (id, page) => skeletons.get(id)?.[page],
        findSkeletonPage: async (id, side, offset) =>
          skeletons
            .get(id)
            ?.findLast((page) => page[side === 'local' ? 'localOffset' : 'centralOffset'] <= offset)
            ?.page,
        markDamaged: async (read) => {
          await new Promise((resolve) => setImmediate(resolve))
          store.marked.push(read)
        },
      },
    },
  }
  return store
}

/** The CRC-32 of each check page. */
function checksOf(bytes: Buffer): Buffer {
  const pages = Math.ceil(bytes.length / limits.checkPageBytes)
  const checks = Buffer.alloc(pages * 4)
  for (let page = 0; page < pages; page++) {
    const start = page * limits.checkPageBytes
    checks.writeUInt32LE(crc32(bytes.subarray(start, start + limits.checkPageBytes)), page * 4)
  }
  return checks
}

function toEntry(store: MemoryStore, spec: EntrySpec): StoredEntry {
  const path = parseEntryPath(spec.path)
  switch (spec.kind) {
    case 'directory':
      return { kind: 'directory', path, mode: spec.mode ?? 0o755 }
    case 'symlink':
      return { kind: 'symlink', path, mode: 0o777, target: spec.target }
    case 'file': {
      const blob = store.addFile(spec.content, spec.form)
      const { digest, sizeBytes } = blob
      return { kind: 'file', path, mode: spec.mode ?? 0o644, digest, sizeBytes, blob }
    }
  }
}

function measure(pages: readonly EntryPage[]): RepresentationLengths {
  const meter = createRepresentationMeter()
  for (const { entries } of pages) meter.add(entries)
  return meter.lengths()
}

function blankArtifact(id: number): Artifact {
  return {
    id,
    projectId: 1,
    project: 'o/r' as ProjectName,
    runId: 1,
    runNumber: 7,
    attempt: 1,
    ...noFacts,
    job: 'build',
    name: `artifact-${id}` as ArtifactName,
    state: 'available',
    kind: 'tree' satisfies ArtifactKind,
    mimeType: 'application/octet-stream',
    fileName: null,
    opaqueReason: null,
    manifestId: id,
    treeDigest: digestOf(`tree ${id}`),
    zipDigest: null,
    zipBytes: 0,
    tarGzBytes: 0,
    newBytes: 0,
    entryCount: 0,
    fileCount: 0,
    logicalBytes: 0,
    createdAt: 1_700_000_000_000,
    expiresAt: 1_800_000_000_000,
    pinned: false,
    keptLatest: false,
    removedAt: null,
    removedReason: null,
    removedBy: null,
    secrets: null,
    version: 1,
  }
}
