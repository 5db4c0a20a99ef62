/** Rebuilds lost metadata from packs, as far as possible. Packs hold streams and name the
 *  content of each, so blobs come back with all their copies, and content that is uploaded again
 *  costs nothing. Packs do not hold the paths, runs and times, nor which blobs made up chunked
 *  files.
 *
 *  Each pack becomes an artifact of project `recovered/packs` whose files are named by their
 *  digests. So the recovered content can be browsed and downloaded, and every stream of it is
 *  kept from sweep until that artifact expires or is deleted. A known pack is left alone, so this
 *  can be repeated. It can also follow the restore of an older database: copies in packs that are
 *  gone, because they were compacted or deleted since, count as missing before the import, so
 *  that imported copies take their place. */
import { type ArtifactName, parseArtifactName, treeOfFiles } from '../../core/artifact.ts'
import type { NewCopy } from '../../core/bytes/copy.ts'
import { type Digest, digestOf } from '../../core/bytes/digest.ts'
import { limits } from '../../core/limits.ts'
import { slicesOf } from '../../core/slices.ts'
import { encodeTailPage } from '../../core/zip/skeleton.ts'
import { noFacts, parseProjectName } from '../../core/run/run.ts'
import { createEntryTable } from '../../ingest/entry-table.ts'
import { healBlobs, healThese } from '../../ingest/heal.ts'
import { publish } from '../../ingest/publish.ts'
import type { IngestPorts } from '../../ingest/session.ts'
import type { Metadata, Run } from '../../metadata/metadata.ts'
import type { PackName, SealedPack } from '../../packs/pack-store.ts'
import { readCopies, recognizeCopies } from '../../packs/read-copies.ts'
import { copyPages } from '../pages.ts'
import { missingPacks } from './missing-packs.ts'

export interface RebuildReport {
  /** Packs imported, and packs that the metadata already knew. */
  packs: number
  knownPacks: number
  packBytes: number
  /** Packs that the metadata knew and that are gone, and live artifacts that hold content of
   *  which no sound copy was found. */
  missingPacks: number
  damagedArtifacts: number
  /** Copies in the imported packs, and distinct contents. */
  copies: number
  blobs: number
  /** Copies that do not match what the pack says, and packs with a bad directory or lists, so
   *  that copies may be missing. */
  damagedCopies: number
  damagedPacks: number
  /** Names of packs without any readable copy, at most `limits.packsNamedMax`. They stay
   *  unknown, and keep a server from starting until they are moved away. */
  unreadablePacks: string[]
}

export interface RebuildOptions {
  /** When the artifacts that hold the recovered content expire. */
  expiresAt: number
  signal?: AbortSignal | undefined
  onProgress?: (progress: RebuildReport) => void
}

const project = 'recovered/packs'

/** Imports every pack that the metadata does not know. A pack whose import was interrupted is
 *  imported again as a whole.
 *  Errors: the abort reason of `signal`, storage_full. */
export async function rebuildFromPacks(
  ports: IngestPorts,
  options: RebuildOptions,
): Promise<RebuildReport> {
  const { metadata, packs, now } = ports
  const report: RebuildReport = {
    packs: 0,
    knownPacks: 0,
    packBytes: 0,
    missingPacks: 0,
    damagedArtifacts: 0,
    copies: 0,
    blobs: 0,
    damagedCopies: 0,
    damagedPacks: 0,
    unreadablePacks: [],
  }
  const identity = { project: parseProjectName(project), number: 1, attempt: 1 }
  let run: Run | undefined
  // Only an earlier import can have left a pack that is known, but not published.
  const mayResume = (await metadata.bornAt()) === Number.MAX_SAFE_INTEGER
  // If this is interrupted, no start takes packs that are not imported yet for those of a crash.
  await metadata.setBornAt(Number.MAX_SAFE_INTEGER)
  for await (const pack of missingPacks(ports, options.signal)) {
    await markPackMissing(metadata, pack.id)
    report.missingPacks += 1
  }
  if (report.missingPacks > 0) await healBlobs(metadata)
  const choose = async (names: PackName[]): Promise<PackName[]> => {
    options.signal?.throwIfAborted()
    const unknown = new Set(await metadata.unknownPacks(names))
    const chosen: PackName[] = []
    for (const name of names) {
      if (unknown.has(name)) chosen.push(name)
      else if (mayResume && (await metadata.hasOfferSession(offerOf(name), now())))
        chosen.push(name)
    }
    report.knownPacks += names.length - chosen.length
    options.onProgress?.({ ...report })
    return chosen
  }
  for await (const pack of packs.list(choose)) {
    options.signal?.throwIfAborted()
    run ??= await metadata.ensureRun(identity, noFacts, now())
    await importPack(ports, { pack, run, options, report })
    options.onProgress?.({ ...report })
  }
  await healBlobs(metadata)
  await metadata.setBornAt(now())
  const first = { limit: 1, offset: 0, sort: 'newest', now: now() } as const
  report.damagedArtifacts = (await metadata.listArtifacts({ state: 'damaged' }, first)).total
  return report
}

function offerOf(name: PackName): Digest {
  return digestOf(`rebuild ${name}`)
}

/** Marks every copy in the pack as missing. */
async function markPackMissing(metadata: Metadata, packId: number): Promise<void> {
  for await (const page of copyPages(metadata, packId)) {
    const verdicts = page.map(({ streamId, offset }) => ({ streamId, offset, damaged: true }))
    await metadata.judgeCopies(packId, verdicts)
  }
}

interface PackImport {
  pack: SealedPack
  run: Run
  options: RebuildOptions
  report: RebuildReport
}

async function importPack(ports: IngestPorts, packImport: PackImport): Promise<void> {
  const { metadata, now, checkpoint } = ports
  const { pack, run, options, report } = packImport
  // An offer session outlives the process. If the process ends in between, the blobs stay for the
  // next attempt, however late: without the session the pack would count as known, and a start
  // would delete it.
  const { sessionId } = await metadata.openOfferSession({
    projectId: run.projectId,
    offer: offerOf(pack.name),
    now: now(),
    leaseMs: Math.max(limits.leaseMs, options.expiresAt - now()),
  })
  const { count, copies } = await recognizeAll(ports, packImport)
  if (copies.length === 0) {
    await metadata.abortSession(sessionId)
    if (report.unreadablePacks.length < limits.packsNamedMax) report.unreadablePacks.push(pack.name)
    return
  }
  const { name, sizeBytes } = pack
  const damaged = await metadata.addPack(sessionId, { name, sizeBytes }, copies)
  await checkpoint?.('rebuild-pack-registered')
  // A content whose serving stream is in a missing pack has to be readable to be published.
  await healThese(metadata, damaged)
  report.blobs += await publishBlobs(ports, { ...packImport, sessionId, copies })
  report.packs += 1
  report.packBytes += pack.sizeBytes
  report.copies += count
  await checkpoint?.('rebuild-pack-published')
}

/** `count` is less than the number of `copies`, because one can be read in two ways. */
async function recognizeAll(
  { packs }: IngestPorts,
  { pack, report, options }: PackImport,
): Promise<{ count: number; copies: NewCopy[] }> {
  const { copies, isComplete } = await readCopies(packs, pack.name, pack.sizeBytes)
  if (!isComplete) report.damagedPacks += 1
  const recognized: NewCopy[] = []
  let count = 0
  for await (const readings of recognizeCopies(packs, pack.name, copies)) {
    options.signal?.throwIfAborted()
    if (readings.length === 0) report.damagedCopies += 1
    else count += 1
    recognized.push(...readings)
  }
  return { count, copies: recognized }
}

/** A file is served from one stream only. The other streams are kept by naming them in a
 *  skeleton. */
async function keepStreams(
  { metadata }: IngestPorts,
  sessionId: string,
  copies: NewCopy[],
): Promise<void> {
  const digests = [...new Set(copies.map((copy) => copy.streamDigest))]
  let page = 0
  for (const named of slicesOf(digests, limits.skeletonPageMembers)) {
    const streams = await metadata.claimStreams(sessionId, named)
    const bytes = encodeTailPage(Buffer.alloc(0))
    const nothing = { page: page++, localOffset: 0, centralOffset: 0, bytes }
    await metadata.stageSkeletonPage(
      sessionId,
      nothing,
      streams.map((stream) => stream.streamId),
    )
  }
}

/** Commits the artifact that holds the pack's contents; returns their number. */
async function publishBlobs(
  ports: IngestPorts,
  { pack, run, options, sessionId, copies }: PackImport & { sessionId: string; copies: NewCopy[] },
): Promise<number> {
  const table = createEntryTable({ entriesMax: copies.length })
  const blobs = new Map(copies.map(({ blob }) => [blob.digest, blob]))
  for (const { digest, sizeBytes } of blobs.values()) {
    table.addFile(`sha256/${digest}`, { mode: 0o644, digest, sizeBytes, modifiedAt: null })
  }
  const name: ArtifactName = parseArtifactName(`pack-${pack.name}`)
  const job = {
    runId: run.id,
    job: 'recover',
    name,
    createdAt: ports.now(),
    expiresAt: options.expiresAt,
    onConflict: 'replace',
    uploadId: null,
  } as const
  await publish({ ...ports, id: sessionId, job }, table.sort(), {
    ...treeOfFiles,
    zipBytes: null,
    newBytes: pack.sizeBytes,
    stageContent: async () => {
      await keepStreams(ports, sessionId, copies)
    },
  })
  return blobs.size
}
