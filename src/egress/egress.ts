/** Builds the representation of every download: its bytes, its length and its ETag.
 *
 *    exact   → its zip is skeleton + streams, byte for byte as uploaded
 *    opaque  → its zip is the stored file itself
 *    raw     → its zip wraps the file, for clients that can only unzip
 *    tree    → its zip is generated
 *  A zip of a subset of paths is always generated. The tar.gz, and the zip of a run, are generated
 *  for every kind. */
import { baseName } from '../core/manifest/entry.ts'
import { bytesMediaType, servedMediaType } from '../core/media-type.ts'
import { limits } from '../core/limits.ts'
import type { Artifact, StoredFile } from '../metadata/metadata.ts'
import { type ArchivePart, partOf, type Selection } from './archive-part.ts'
import { verifyEntries, verifyFile, verifyMembers } from './damage.ts'
import { emit, type SegmentsFrom } from './emit.ts'
import { tarMembers, zipMembers } from './entries.ts'
import { type Batch, entryPages } from './entry-pages.ts'
import { artifactFacts, etag, gzipEtag } from './etag.ts'
import { exactZipSegments } from './zip/exact-zip.ts'
import { gzipFileSegments, onceFrom, readFileContent } from './file-layout.ts'
import type { Reader } from './reader.ts'
import { createArchiveCache } from './archive-cache.ts'
import type { Representation } from './representation.ts'
import { totalBytes } from './segments.ts'
import {
  createTarMarks,
  measureTarGz,
  tarGzFormatVersion,
  tarGzSegments,
  type TarMembersFrom,
} from './tar/tar-layout.ts'
import { inWalk } from './walks.ts'
import {
  createZipMarks,
  measureZip,
  type MembersFrom,
  recallPages,
  zipFolder,
  zipFormatVersion,
  type ZipMarks,
  type ZipMember,
  zipMember,
  zipSegments,
} from './zip/zip-layout.ts'

export interface FileOptions {
  /** Serve the gzip form, for a client that accepts it. */
  gzip?: boolean
  contentType?: string
}

const zipType = 'application/zip'
const gzipType = 'application/gzip'

/** Errors: invalid_request and too_large (a path glob), no_files (no path matches), blob_damaged
 *  (nothing that was asked for is intact), too_large (damaged files to leave out). */
export async function representZip(
  reader: Reader,
  artifact: Artifact,
  options: Selection = {},
): Promise<Representation> {
  const part = await partOf(reader, artifact, options)
  const { filter } = part
  if (filter !== undefined || artifact.kind === 'tree') {
    const facts = filter === undefined ? [] : part.facts
    const name = etag('zip', zipFormatVersion, artifactFacts(artifact), ...facts)
    const members: MembersFrom = (firstPage) =>
      zipMembers(reader, artifact, { prefix: '', filter, firstPage })
    const marks = zipMarksOf(reader.metadata, name)
    if (filter === undefined && marks.whole === undefined) {
      const pages = await reader.metadata.readZipPages(artifact.id, artifact.version)
      if (pages !== null) recallPages(marks, pages)
    }
    const totalBytes =
      filter === undefined
        ? artifact.zipBytes
        : await inWalk(artifact, options.signal, () => measureZip(members, marks))
    part.requireMembers(marks.whole)
    return generatedZip(
      reader,
      { owner: artifact.projectId, members, marks },
      {
        fileName: `${part.name}.zip`,
        totalBytes,
        etag: name,
        digest: filter === undefined ? artifact.zipDigest : null,
        verifyReadable: () => verifyEntries(reader, artifact, filter),
      },
    )
  }
  switch (artifact.kind) {
    case 'exact':
      return exactZip(reader, artifact)
    case 'opaque':
      return await representRaw(reader, artifact)
    case 'raw':
      return await representWrappedZip(reader, artifact)
  }
}

/** Errors: as `representZip`. */
export async function representTarGz(
  reader: Reader,
  artifact: Artifact,
  options: Selection = {},
): Promise<Representation> {
  const part = await partOf(reader, artifact, options)
  const { filter } = part
  const name = etag('tgz', tarGzFormatVersion, artifactFacts(artifact), ...part.facts)
  const members: TarMembersFrom = (firstPage) => tarMembers(reader, artifact, filter, firstPage)
  const marks = tarMarksOf(reader.metadata, name)
  const { readParts } = reader.metadata
  const totalBytes =
    filter === undefined
      ? artifact.tarGzBytes
      : await inWalk(artifact, options.signal, () => measureTarGz(members, marks))
  part.requireMembers(marks.whole)
  return {
    contentType: gzipType,
    fileName: `${part.name}.tar.gz`,
    totalBytes,
    etag: name,
    digest: null,
    contentEncoding: null,
    verifyReadable: () => verifyEntries(reader, artifact, filter),
    read: readSegments(reader, artifact.projectId, (start) =>
      tarGzSegments(members, readParts, { start, marks }),
    ),
  }
}

/** One file of an artifact: its content, or its gzip form. */
export async function representFile(
  reader: Reader,
  artifact: Artifact,
  file: StoredFile,
  options: FileOptions = {},
): Promise<Representation> {
  const common = {
    contentType: options.contentType ?? bytesMediaType,
    fileName: baseName(file.path),
    verifyReadable: () => verifyFile(reader, artifact, file),
  }
  if (options.gzip !== true) {
    return {
      ...common,
      totalBytes: file.sizeBytes,
      etag: `"${file.digest}"`,
      digest: file.digest,
      contentEncoding: null,
      read: (start, end, signal) =>
        readFileContent(reader, file, { start, end, signal, owner: artifact.projectId }),
    }
  }
  const segments = gzipFileSegments(file, reader)
  return {
    ...common,
    totalBytes: totalBytes(segments),
    etag: gzipEtag(artifact, file),
    digest: null,
    contentEncoding: 'gzip',
    read: readSegments(reader, artifact.projectId, onceFrom(segments)),
  }
}

/** The only file of a `raw` or `opaque` artifact, as uploaded. */
export async function representRaw(reader: Reader, artifact: Artifact): Promise<Representation> {
  const contentType = artifact.kind === 'opaque' ? zipType : servedMediaType(artifact.mimeType)
  const file = await readOnlyFile(reader, artifact)
  const content = await representFile(reader, artifact, file, { contentType })
  return { ...content, fileName: artifact.fileName ?? content.fileName }
}

/** The only file of a `raw` artifact as a zip of one member with a fixed date, for clients that can
 *  only unzip (GITHUB-PROTOCOL §11.4). */
export async function representWrappedZip(
  reader: Reader,
  artifact: Artifact,
): Promise<Representation> {
  const file = await readOnlyFile(reader, artifact)
  const { readParts } = reader.metadata
  const member = zipMember(file, { modifiedAt: null, prefix: '', readParts })
  const members: MembersFrom = async function* () {
    yield { page: 0, members: [member] }
  }
  const marks = createZipMarks()
  return generatedZip(
    reader,
    { owner: artifact.projectId, members, marks },
    {
      fileName: `${artifact.name}.zip`,
      totalBytes: await measureZip(members, marks),
      etag: etag('wrapped', zipFormatVersion, artifactFacts(artifact)),
      verifyReadable: () => verifyFile(reader, artifact, file),
    },
  )
}

/** One or more artifacts of a run, with distinct names, as one zip with a folder for each. Walks
 *  all their manifests to measure it, unless the result is cached. */
export async function representRunZip(
  reader: Reader,
  artifacts: readonly Artifact[],
  options: Pick<Selection, 'intact' | 'signal'> = {},
): Promise<Representation> {
  const parts: RunPart[] = []
  for (const artifact of artifacts)
    parts.push({ artifact, ...(await partOf(reader, artifact, options)) })
  const name = etag(
    'run',
    zipFormatVersion,
    ...parts.map(({ artifact, facts }) => [artifact.name, artifactFacts(artifact), facts]),
  )
  const members: MembersFrom = (firstPage) =>
    runMembers(reader, parts, { firstPage, signal: options.signal })
  const marks = zipMarksOf(reader.metadata, name)
  const { runNumber: run, projectId: owner } = artifacts[0]!
  const isWhole = parts.every(({ filter }) => filter === undefined)
  return generatedZip(
    reader,
    { owner, members, marks },
    {
      fileName: `run-${run}${isWhole ? '' : '-intact'}.zip`,
      totalBytes: await inWalk(artifacts[0]!, options.signal, () => measureZip(members, marks)),
      etag: name,
      verifyReadable: async () => {
        for (const { artifact, filter } of parts) await verifyEntries(reader, artifact, filter)
      },
    },
  )
}

type RunPart = ArchivePart & { artifact: Artifact }

/** Yields a page with the folder of each artifact, then its own pages, numbered consecutively. */
async function* runMembers(
  reader: Reader,
  parts: readonly RunPart[],
  { firstPage, signal }: { firstPage: number; signal: AbortSignal | undefined },
): AsyncGenerator<Batch<ZipMember>> {
  let folderPage = 0
  for (const { artifact, filter } of parts) {
    const { name, entryCount } = artifact
    const base = folderPage + 1
    folderPage = base + Math.ceil(entryCount / limits.manifestPageEntries)
    if (firstPage >= folderPage) continue
    if (firstPage < base) yield { page: base - 1, members: [zipFolder(name)] }
    const own = { prefix: `${name}/`, filter, firstPage: Math.max(firstPage - base, 0) }
    for await (const { page, members } of zipMembers(reader, artifact, own)) {
      signal?.throwIfAborted()
      yield { page: page === undefined ? page : base + page, members }
    }
  }
}

function exactZip(reader: Reader, artifact: Artifact): Representation {
  // The digest of the zip determines its bytes, even if its streams have changed place since.
  const name = artifact.zipDigest ?? artifactFacts(artifact)
  return {
    contentType: zipType,
    fileName: `${artifact.name}.zip`,
    totalBytes: artifact.zipBytes,
    etag: etag('exact', name),
    digest: artifact.zipDigest,
    contentEncoding: null,
    verifyReadable: () => verifyMembers(reader, artifact),
    read: readSegments(reader, artifact.projectId, (start) =>
      exactZipSegments(reader.metadata, artifact.id, start),
    ),
  }
}

function generatedZip(
  reader: Reader,
  { owner, members, marks }: { owner: number; members: MembersFrom; marks: ZipMarks },
  facts: Pick<Representation, 'fileName' | 'totalBytes' | 'etag' | 'verifyReadable'> &
    Partial<Representation>,
): Representation {
  return {
    contentType: zipType,
    digest: null,
    contentEncoding: null,
    ...facts,
    read: readSegments(reader, owner, (start) => zipSegments(members, { start, marks })),
  }
}

const zipMarksOf = createArchiveCache(createZipMarks)
const tarMarksOf = createArchiveCache(createTarMarks)

function readSegments(
  reader: Reader,
  owner: number,
  segmentsFrom: SegmentsFrom,
): Representation['read'] {
  return (start, end, signal) => emit(reader, segmentsFrom, { start, end, signal, owner })
}

async function readOnlyFile(reader: Reader, artifact: Artifact): Promise<StoredFile> {
  for await (const { entries } of entryPages(reader, artifact)) {
    const file = entries.find((entry) => entry.kind === 'file')
    if (file !== undefined) return file
  }
  throw new Error(`artifact ${artifact.id} is ${artifact.kind} and has no file`)
}
