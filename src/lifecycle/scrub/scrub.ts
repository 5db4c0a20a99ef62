/** Scrub: reads back what is stored, least recently verified packs first.
 *
 *    1. Take a read lease, so that no pack is deleted while it is being read.
 *    2. Read and verify every live copy of a pack. A bad one counts as missing from then on, and
 *       its artifacts as damaged; one marked bad that is sound again (a disk that came back) is
 *       restored.
 *    3. Rewrite a pack whose copies are sound but whose framing is not, as compaction does.
 *    4. Record the pack as verified, so that a scrub that was killed resumes after it.
 *    5. A full pass ends with the rollups: those that do not match their rows are corrected and
 *       reported.
 *  A pack that is missing or truncated damages every copy in it. One that cannot be read for
 *  another reason, such as permissions, is not judged: the pass goes on, and fails at its end. */
import { asError, hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { damagedPaths } from '../../egress/damage.ts'
import { healBlobs } from '../../ingest/heal.ts'
import type { Drift, PackOccupancy, UnverifiedPack } from '../../metadata/metadata.ts'
import { findFramingFault } from '../../packs/format/framing.ts'
import { type Pace, compactPacks, createPace } from '../collect/compact.ts'
import { copyPages, packsFrom } from '../pages.ts'
import type { LifecyclePorts } from '../ports.ts'
import { type MaintenanceLease, openMaintenanceLease } from '../maintenance-lease.ts'
import { type Verification, verifyCopies } from './verify-copies.ts'

export interface ScrubOptions {
  /** Packs verified or written more recently than this are skipped; null takes all. */
  olderThanMs: number | null
  /** Null is unlimited. */
  bytesPerSecond: number | null
  /** Whether to compare the rollups with their rows at the end. */
  rollups: boolean
  /** Called after each pack. */
  onProgress?: (progress: ScrubReport) => void
  /** Called for each fault, as it is found. `copy` names at most `limits.scrubCopiesNamedMax` of a
   *  pack; `copies` is the number of the others. */
  onFinding?: (finding: ScrubFinding) => void
}

export type ScrubFinding =
  | {
      kind: 'copy'
      packName: string
      streamId: number
      offset: number
      digest: string
      fault: string
    }
  | { kind: 'copies'; packName: string; count: number }
  | { kind: 'framing'; packName: string; fault: string }
  | { kind: 'unjudged'; packName: string; fault: string }
  | ({ kind: 'drift' } & Drift)

export interface ScrubReport {
  packs: number
  copies: number
  readBytes: number
  /** Bad copies, whether known before or not. */
  damagedCopies: number
  /** How many of these were not known before. */
  foundCopies: number
  /** Copies marked bad that are sound again. */
  healedCopies: number
  /** Blobs that replaced a bad stream by another one in the store. */
  healedBlobs: number
  /** Packs rewritten because of bad framing. */
  rewrittenPacks: number
  /** Rollups that were wrong and have been corrected. */
  drifts: number
  /** Live artifacts that hold a bad copy: their number, and the first of them. */
  damagedArtifacts: number
  damaged: DamagedArtifact[]
}

export interface DamagedArtifact {
  id: number
  project: string
  run: number
  name: string
  /** At most `limits.scrubPathsNamedMax`. */
  damagedFiles: string[]
}

/** Renewed with every read; pacing can delay the renewal. */
const leaseMs = 4 * limits.readLeaseSlackMs
/** When so many packs cannot be judged, the rest usually cannot either, and each attempt may
 *  take long. */
const failuresMax = 100

/** Runs a pass and returns what it found; damage is reported, not thrown.
 *  Errors: the abort reason of `ports.signal`, failures of the metadata; the first error of a pack,
 *  once all were tried. */
export async function scrub(ports: LifecyclePorts, options: ScrubOptions): Promise<ScrubReport> {
  const report = emptyReport()
  const since = ports.now() - (options.olderThanMs ?? 0)
  const pass = { report, options, since, pace: createPace(options.bytesPerSecond, ports.signal) }
  const failures: Error[] = []
  for await (const pack of duePacks(ports, pass)) {
    try {
      await scrubPack(ports, pack, pass)
    } catch (error) {
      ports.signal?.throwIfAborted()
      const failure = asError(error)
      options.onFinding?.({ kind: 'unjudged', packName: pack.name, fault: failure.message })
      failures.push(failure)
      if (failures.length === failuresMax) break
    }
    options.onProgress?.({ ...report })
  }
  report.healedBlobs = await healBlobs(ports.metadata)
  if (options.rollups) {
    const drifts = await ports.metadata.reconcileRollups(ports.signal)
    report.drifts = drifts.length
    for (const drift of drifts) options.onFinding?.({ kind: 'drift', ...drift })
    await ports.checkpoint?.('scrub-reconciled')
  }
  if (failures.length > 0) throw failures[0]!
  return { ...report, ...(await nameDamaged(ports)) }
}

async function* duePacks(
  { metadata, signal, now }: LifecyclePorts,
  { since, options }: Pass,
): AsyncGenerator<UnverifiedPack> {
  const writtenBefore = options.olderThanMs === null ? Number.MAX_SAFE_INTEGER : since
  const packs = packsFrom({ verifiedAt: -1, id: 0 }, (after, limit) =>
    metadata.listUnverifiedPacks({ since, now: now(), writtenBefore, after, limit }),
  )
  for await (const pack of packs) {
    signal?.throwIfAborted()
    yield pack
  }
}

interface Pass {
  report: ScrubReport
  options: ScrubOptions
  /** Packs verified since then are skipped. */
  since: number
  pace: Pace
}

function emptyReport(): ScrubReport {
  return {
    packs: 0,
    copies: 0,
    readBytes: 0,
    damagedCopies: 0,
    foundCopies: 0,
    healedCopies: 0,
    healedBlobs: 0,
    rewrittenPacks: 0,
    drifts: 0,
    damagedArtifacts: 0,
    damaged: [],
  }
}

async function scrubPack(ports: LifecyclePorts, pack: PackOccupancy, pass: Pass): Promise<void> {
  const { metadata, now, checkpoint } = ports
  const { options, report, since } = pass
  const lease = await openMaintenanceLease(ports, leaseMs)
  try {
    await checkpoint?.('scrub-pack-begun')
    const { damagedCopies, unended } = await scrubCopies(ports, pack, { ...pass, lease })
    await checkpoint?.('scrub-pack-judged')
    const fault = damagedCopies > 0 ? null : await framingFault(ports, pack, unended)
    if (fault !== null) {
      options.onFinding?.({ kind: 'framing', packName: pack.name, fault })
      report.rewrittenPacks += (await compactPacks(ports, [pack], pass.pace)).rewrittenPacks
      await checkpoint?.('scrub-pack-rewritten')
    }
    report.packs += 1
    await metadata.recordVerification(pack.id, Math.max(now(), since))
    await checkpoint?.('scrub-pack-verified')
  } finally {
    await lease.close()
  }
}

async function scrubCopies(
  ports: LifecyclePorts,
  pack: PackOccupancy,
  pass: Pass & { lease: MaintenanceLease },
): Promise<{ damagedCopies: number; unended: ReadonlySet<number> }> {
  const { metadata, packs, signal } = ports
  const { report, lease } = pass
  const pace: Pace = async (bytes) => {
    report.readBytes += bytes
    await pass.pace(bytes)
    await lease.renew()
  }
  const found = { damagedCopies: 0, unended: new Set<number>() }
  for await (const page of copyPages(metadata, pack.id)) {
    const namesLeft = Math.max(0, limits.scrubCopiesNamedMax - found.damagedCopies)
    const changed: Verification[] = []
    for await (const each of verifyCopies(page, { packs, packName: pack.name, pace, signal })) {
      report.copies += 1
      if (!each.isEnded) found.unended.add(each.copy.offset)
      if (each.fault !== null) found.damagedCopies += 1
      if (each.fault !== null || each.copy.damaged) changed.push(each)
    }
    await ports.checkpoint?.('scrub-copies-read')
    // If the lease has ended, missing bytes may have been deleted meanwhile and are not damage.
    await lease.renew()
    await judge(ports, pack, changed, { ...pass, namesLeft })
  }
  const count = found.damagedCopies - limits.scrubCopiesNamedMax
  if (count > 0) pass.options.onFinding?.({ kind: 'copies', packName: pack.name, count })
  report.damagedCopies += found.damagedCopies
  return found
}

async function judge(
  { metadata }: LifecyclePorts,
  pack: PackOccupancy,
  found: Verification[],
  { report, options, namesLeft }: Pass & { namesLeft: number },
): Promise<void> {
  if (found.length === 0) return
  const bad = found.filter(({ fault }) => fault !== null)
  for (const { copy, fault } of bad.slice(0, namesLeft)) {
    const { streamId, offset, blob } = copy
    const place = { packName: pack.name, streamId, offset, digest: blob.digest }
    options.onFinding?.({ kind: 'copy', ...place, fault: fault! })
  }
  const verdicts = found.map(({ copy: { streamId, offset }, fault }) => ({
    streamId,
    offset,
    damaged: fault !== null,
  }))
  const judged = await metadata.judgeCopies(pack.id, verdicts)
  report.foundCopies += judged.damaged
  report.healedCopies += judged.healed
}

/** Null for a pack that is gone: it has died since it was listed, or its copies would have been
 *  found bad. */
async function framingFault(
  { packs }: LifecyclePorts,
  pack: PackOccupancy,
  unended: ReadonlySet<number>,
): Promise<string | null> {
  try {
    return await findFramingFault(packs, pack.name, pack.sizeBytes, unended)
  } catch (error) {
    if (hasCode(error, 'not_found')) return null
    throw error
  }
}

/** The damaged artifacts of the store, with their unreadable files. */
async function nameDamaged(
  ports: LifecyclePorts,
): Promise<Pick<ScrubReport, 'damaged' | 'damagedArtifacts'>> {
  const page = {
    limit: limits.scrubArtifactsNamedMax,
    offset: 0,
    sort: 'newest',
    now: ports.now(),
  } as const
  const { artifacts, total } = await ports.metadata.listArtifacts({ state: 'damaged' }, page)
  const damaged: DamagedArtifact[] = []
  for (const artifact of artifacts) {
    ports.signal?.throwIfAborted()
    const { id, project, runNumber, name } = artifact
    const damagedFiles = await damagedPaths(ports, artifact, limits.scrubPathsNamedMax)
    damaged.push({ id, project, run: runNumber, name, damagedFiles })
  }
  return { damaged, damagedArtifacts: total }
}
