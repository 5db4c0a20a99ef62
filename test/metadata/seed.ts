/** Fills a store's metadata without packs on disk: the copies are made up, and nobody reads
 *  their bytes. */
import { crc32 } from 'node:zlib'
import { type ArtifactKind, parseArtifactName } from '../../src/core/artifact.ts'
import type { CopyCodec, NewCopy } from '../../src/core/bytes/copy.ts'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import { type Entry, comparePaths, parseEntryPath } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { createManifestHasher } from '../../src/core/manifest/manifest.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'
import { factsOf, parseProjectName, type ToldFacts } from '../../src/core/run/run.ts'
import type {
  Artifact,
  PageEntry,
  Metadata,
  NewArtifact,
  Run,
} from '../../src/metadata/metadata.ts'

let packs = 0

/** A pack name that no other call returns. */
function newPackName(): string {
  packs += 1
  return packs.toString(16).padStart(32, '0')
}

/** A copy of `content`. Each `level` is a different stream of the same blob. */
export function copyOf(
  content: string,
  options: { codec?: CopyCodec; level?: number; offset?: number; lengthBytes?: number } = {},
): NewCopy {
  const { codec = 'joining', level = 6, offset = 0 } = options
  const bytes = Buffer.from(content)
  return {
    blob: { digest: digestOf(bytes), sizeBytes: bytes.length, crc32: crc32(bytes) },
    streamDigest: codec === 'stored' ? digestOf(bytes) : digestOf(`${codec} ${level} ${content}`),
    codec,
    offset,
    lengthBytes: options.lengthBytes ?? bytes.length + 2,
    checks: Buffer.from([1, 2, 3, 4]),
  }
}

/** A pack that holds these copies consecutively, with 100 bytes of framing each. */
export function packOf(copies: NewCopy[]): {
  pack: { name: string; sizeBytes: number }
  copies: NewCopy[]
} {
  let end = 0
  const placed = copies.map((copy) => {
    const offset = end + 50
    end += copy.lengthBytes + 100
    return { ...copy, offset }
  })
  return { pack: { name: newPackName(), sizeBytes: end }, copies: placed }
}

export function fileEntry(path: string, content: string, mode = 0o644): Entry {
  const bytes = Buffer.from(content)
  return {
    kind: 'file',
    path: parseEntryPath(path),
    mode,
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
  }
}

/** Entries of a tree given as paths and contents, in order. */
export function entriesOf(files: Record<string, string>): Entry[] {
  return Object.entries(files)
    .map(([path, content]) => fileEntry(path, content))
    .toSorted((a, b) => comparePaths(a.path, b.path))
}

export async function seedRun(
  metadata: Metadata,
  options: {
    project?: string
    number?: number
    attempt?: number
  } & ToldFacts = {},
): Promise<Run> {
  const { project = 'acme/app', number = 1, attempt = 1, ...told } = options
  return await metadata.ensureRun(
    { project: parseProjectName(project), number, attempt },
    factsOf(told),
    1_000,
  )
}

/** A run of which something was reported, so that it is listed. */
export async function seedReportedRun(
  metadata: Metadata,
  options?: Parameters<typeof seedRun>[1],
): Promise<Run> {
  const run = await seedRun(metadata, options)
  await metadata.appendRunEvents(run.id, { recording: 'r', sequence: 0, events: [] }, 1_000)
  return run
}

export async function openSession(metadata: Metadata, run: Run, now = 1_000): Promise<string> {
  return await metadata.openSession({ projectId: run.projectId, now, leaseMs: limits.leaseMs })
}

/** Registers joining copies of unknown contents, as an ingest does; returns the pack's name, if
 *  any. */
export async function addContents(
  metadata: Metadata,
  sessionId: string,
  contents: string[],
): Promise<string | undefined> {
  const copies = [...new Set(contents)].map((content) => copyOf(content))
  const known = new Set<Digest>()
  for (let start = 0; start < copies.length; start += 1000) {
    const digests = copies.slice(start, start + 1000).map((copy) => copy.blob.digest)
    for (const { digest } of await metadata.claimBlobs(sessionId, digests)) known.add(digest)
  }
  const missing = copies.filter((copy) => !known.has(copy.blob.digest))
  if (missing.length === 0) return undefined
  const { pack, copies: placed } = packOf(missing)
  await metadata.addPack(sessionId, pack, placed)
  return pack.name
}

/** Stages a whole manifest; returns its id. `held`: entries of a manifest leased by the session,
 *  by path. */
export async function stageEntries(
  metadata: Metadata,
  sessionId: string,
  entries: Entry[],
  modifiedAt: (number | null)[] = entries.map(() => null),
  held: ReadonlyMap<string, PageEntry> = new Map(),
): Promise<{ manifestId: number; exists: boolean }> {
  const hasher = createManifestHasher()
  for (const entry of entries) hasher.add(entry)
  const staged = await metadata.stageManifest(sessionId, hasher.summary())
  const size = limits.manifestPageEntries
  for (let page = 0; page * size < entries.length; page++) {
    const [start, end] = [page * size, (page + 1) * size]
    if (!staged.exists) {
      await metadata.stageManifestPage(
        sessionId,
        staged.manifestId,
        page,
        entries.slice(start, end).map((entry) => held.get(entry.path) ?? entry),
      )
    }
    await metadata.stageTimes(sessionId, page, encodeTimes(modifiedAt.slice(start, end)))
  }
  return staged
}

export function newArtifact(
  run: Run,
  manifestId: number,
  options: Partial<Omit<NewArtifact, 'name'>> & { name?: string; kind?: ArtifactKind } = {},
): NewArtifact {
  return {
    runId: run.id,
    job: 'build',
    kind: 'tree',
    mimeType: 'application/zip',
    fileName: null,
    opaqueReason: null,
    manifestId,
    zipDigest: null,
    zipBytes: 1_000,
    zipPages: null,
    tarGzBytes: 900,
    newBytes: 0,
    createdAt: 2_000,
    now: 2_000,
    expiresAt: 1_000_000,
    onConflict: 'reject',
    uploadId: null,
    ...options,
    name: parseArtifactName(options.name ?? 'dist'),
  }
}

/** Performs a whole upload: session, contents, manifest, commit. */
export async function seedArtifact(
  metadata: Metadata,
  run: Run,
  files: Record<string, string>,
  options: Parameters<typeof newArtifact>[2] = {},
): Promise<Artifact> {
  const tree = { entries: entriesOf(files), contents: Object.values(files) }
  return await seedTree(metadata, run, tree, options)
}

/** The same with entries of any kind, in order; `contents` are the contents of the files among
 *  them. */
export async function seedTree(
  metadata: Metadata,
  run: Run,
  {
    entries,
    contents,
    times,
  }: { entries: Entry[]; contents: string[]; times?: (number | null)[] | undefined },
  options: Parameters<typeof newArtifact>[2] = {},
): Promise<Artifact> {
  const sessionId = await openSession(metadata, run)
  await addContents(metadata, sessionId, contents)
  const { manifestId } = await stageEntries(metadata, sessionId, entries, times)
  const wanted = newArtifact(run, manifestId, options)
  const { artifact } = await metadata.commitArtifact(sessionId, wanted)
  return artifact
}
