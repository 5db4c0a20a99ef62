/** Scans committed artifacts for credentials, in the background:
 *
 *    1. From a tree not yet scanned with these rules, take the files that are meant to hold
 *       credentials, then text files.
 *    2. Contents that were scanned before, in any project, have known results; read the others.
 *    3. Record the findings with the tree, and how many files were skipped: too large, too many, or
 *       damaged.
 *  Uploads do not wait for this. A tree that cannot be scanned is retried in the next round. */
import { limits } from '../core/limits.ts'
import { asError, hasCode, isArtifactGone } from '../core/errors.ts'
import type { Digest } from '../core/bytes/digest.ts'
import type { Entry } from '../core/manifest/entry.ts'
import { readEntry } from '../core/manifest/manifest.ts'
import {
  countsAt,
  findSecrets,
  type FoundSecret,
  isCredentialPath,
  isTextPath,
  secretRulesVersion,
} from '../core/secrets/secrets.ts'
import { slicesOf } from '../core/slices.ts'
import { readFileContent } from '../egress/file-layout.ts'
import type { Scan, SecretInTree, StoredFile, UnscannedTree } from '../metadata/metadata.ts'
import { createPace, type Pace } from './collect/compact.ts'
import type { LifecyclePorts } from './ports.ts'
import { openMaintenanceLease } from './maintenance-lease.ts'

export interface SecretsOptions {
  /** Null is unlimited. */
  bytesPerSecond: number | null
}

export interface SecretsReport {
  trees: number
  readFiles: number
  readBytes: number
  secrets: number
  skippedFiles: number
}

/** A file that may hold credentials. */
interface Candidate {
  ordinal: number
  path: string
  digest: Digest
  sizeBytes: number
}

interface Round {
  ports: LifecyclePorts
  report: SecretsReport
  pace: Pace
}

/** Files per lookup of known results. */
const batchFiles = 256
/** Renewed with every file; pacing can delay the renewal. */
const leaseMs = 4 * limits.readLeaseSlackMs

/** Runs a round.
 *  Errors: the abort reason of `ports.signal`; the first error of a tree, once all were scanned. */
export async function scanForSecrets(
  ports: LifecyclePorts,
  { bytesPerSecond }: SecretsOptions,
): Promise<SecretsReport> {
  const report = { trees: 0, readFiles: 0, readBytes: 0, secrets: 0, skippedFiles: 0 }
  const round = { ports, report, pace: createPace(bytesPerSecond, ports.signal) }
  const page = { now: ports.now(), limit: limits.secretTreesPerRound }
  let failure: Error | undefined
  for (const tree of await ports.metadata.listUnscanned(secretRulesVersion, page)) {
    ports.signal?.throwIfAborted()
    try {
      await scanTree(round, tree)
    } catch (error) {
      ports.signal?.throwIfAborted()
      if (!isArtifactGone(error)) failure ??= asError(error)
    }
  }
  if (failure !== undefined) throw failure
  return report
}

async function scanTree(round: Round, tree: UnscannedTree): Promise<void> {
  const { ports, report } = round
  const { candidates, passedOver } = await findCandidates(ports, tree.artifactId)
  const secrets: SecretInTree[] = []
  let unreadable = 0
  for (const batch of slicesOf(candidates, batchFiles)) {
    const known = await scanContents(round, tree.artifactId, batch)
    for (const { path, digest } of batch) {
      const found = known.get(digest)
      if (found === undefined) unreadable += 1
      for (const secret of found ?? [])
        if (countsAt(secret.kind, path)) secrets.push({ path, digest, ...secret })
    }
  }
  const outcome = {
    secrets: secrets.slice(0, limits.secretsMax),
    passedOver: passedOver + unreadable,
  }
  await ports.metadata.recordSecrets(tree.manifestId, secretRulesVersion, outcome)
  report.trees += 1
  report.secrets += outcome.secrets.length
  report.skippedFiles += outcome.passedOver
}

/** Files worth scanning; those meant to hold credentials come first. */
async function findCandidates(
  { metadata, signal }: LifecyclePorts,
  artifactId: number,
): Promise<{ candidates: Candidate[]; passedOver: number }> {
  const credentials: Candidate[] = []
  const texts: Candidate[] = []
  let passedOver = 0
  const add = (ordinal: number, entry: Entry): void => {
    if (entry.kind !== 'file' || entry.sizeBytes === 0) return
    const { path, digest, sizeBytes } = entry
    const list = isCredentialPath(path) ? credentials : isTextPath(path) ? texts : undefined
    if (list === undefined) return
    const isTooMuch = sizeBytes > limits.secretFileBytesMax || list.length >= limits.secretFilesMax
    if (isTooMuch) passedOver += 1
    else list.push({ ordinal, path, digest, sizeBytes })
  }
  for (let page = 0; ; page++) {
    signal?.throwIfAborted()
    const tree = await metadata.readTreePage(artifactId, page)
    if (tree === undefined) break
    const lines = Buffer.from(tree.lines).toString().split('\n').slice(0, -1)
    for (const [index, line] of lines.entries())
      add(page * limits.manifestPageEntries + index, readEntry(line))
  }
  let bytesLeft: number = limits.secretBytesMax
  const candidates = [...credentials, ...texts].slice(0, limits.secretFilesMax).filter((each) => {
    bytesLeft -= each.sizeBytes
    return bytesLeft >= 0
  })
  return {
    candidates,
    passedOver: passedOver + credentials.length + texts.length - candidates.length,
  }
}

/** Findings by the digest of the content; contents that cannot be read are left out. */
async function scanContents(
  round: Round,
  artifactId: number,
  batch: readonly Candidate[],
): Promise<Map<Digest, FoundSecret[]>> {
  const { metadata } = round.ports
  const scans = await metadata.readScans(
    secretRulesVersion,
    batch.map(({ digest }) => digest),
  )
  const known = new Map(scans.map(({ digest, found }) => [digest, found]))
  const unknown = new Map(
    batch.filter(({ digest }) => !known.has(digest)).map((each) => [each.digest, each]),
  )
  if (unknown.size === 0) return known
  const fresh = await readContents(round, artifactId, [...unknown.values()])
  await metadata.recordScans(secretRulesVersion, fresh)
  for (const { digest, found } of fresh) known.set(digest, found)
  return known
}

async function readContents(
  { ports, report, pace }: Round,
  artifactId: number,
  candidates: readonly Candidate[],
): Promise<Scan[]> {
  const { metadata, packs, signal } = ports
  const ordinals = candidates.map(({ ordinal }) => ordinal).toSorted((a, b) => a - b)
  const scans: Scan[] = []
  const lease = await openMaintenanceLease(ports, leaseMs)
  try {
    for (let done = 0; done < ordinals.length;) {
      const entries = await metadata.readEntries(artifactId, ordinals.slice(done))
      done += entries.length
      for (const file of entries) {
        if (file?.kind !== 'file') continue
        await lease.renew()
        await pace(file.sizeBytes)
        const bytes = await readWhole({ metadata, packs }, file, signal)
        if (bytes === undefined) continue
        scans.push({ digest: file.digest, found: findSecrets(bytes) })
        report.readFiles += 1
        report.readBytes += bytes.length
      }
    }
    return scans
  } finally {
    await lease.close()
  }
}

/** Undefined when it is damaged. */
async function readWhole(
  reader: Pick<LifecyclePorts, 'metadata' | 'packs'>,
  file: StoredFile,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  try {
    const pieces: Buffer[] = []
    const range = { start: 0, end: file.sizeBytes, signal }
    for await (const piece of readFileContent(reader, file, range)) pieces.push(piece)
    return Buffer.concat(pieces)
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return undefined
    throw error
  }
}
