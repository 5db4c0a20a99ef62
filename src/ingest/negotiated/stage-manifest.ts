/** Stages the manifest of an upload page by page, referring to what the session has leased. The
 *  result must match the digest that the tree was offered under. Yields to other uploads of the
 *  thread after each page. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { comparePaths, type Entry } from '../../core/manifest/entry.ts'
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { slicesOf } from '../../core/slices.ts'
import {
  createManifestHasher,
  createTreeCheck,
  type ManifestSummary,
} from '../../core/manifest/manifest.ts'
import { type Change, changedPath } from '../../core/manifest/manifest-changes.ts'
import { createRepresentationMeter, type RepresentationLengths } from '../../egress/measure.ts'
import type { PageEntry } from '../../metadata/metadata.ts'
import type { IngestPorts } from '../session.ts'
import { incomplete } from './incomplete.ts'
import type { Offer } from './job.ts'
import { readOfferedChanges, readOfferedPages, readOfferedTree } from './offered-entries.ts'
import { claimOffered } from './receive-manifest.ts'

export interface StagedManifest {
  manifestId: number
  entryCount: number
  measured: RepresentationLengths
}

/** Stages it even if the project has an equal manifest, which the caller may not be allowed to read
 *  (invariant 10): only files that the session has leased get into it.
 *  Errors: upload_incomplete, not_found (a blob of a whole manifest that the session has not
 *  leased), length_mismatch, duplicate_path. */
export async function stageOfferedTree(
  ports: IngestPorts,
  offer: Offer,
  signal: AbortSignal | undefined,
): Promise<StagedManifest> {
  const tree = await readOfferedTree(ports.metadata, offer.sessionId)
  if (tree?.treeDigest !== offer.tree.treeDigest) throw incomplete('manifest', 1)
  return tree.base === undefined
    ? await stageWhole(ports, offer, { summary: tree, signal })
    : await stageChanged(ports, offer, { base: tree.base, signal })
}

async function stageWhole(
  { metadata }: IngestPorts,
  { sessionId, tree }: Offer,
  { summary, signal }: { summary: ManifestSummary; signal: AbortSignal | undefined },
): Promise<StagedManifest> {
  const manifestId = await metadata.stageNewManifest(sessionId, summary)
  const hasher = createManifestHasher()
  const meter = createRepresentationMeter()
  let page = 0
  for await (const { entries, lines } of readOfferedPages(metadata, sessionId)) {
    signal?.throwIfAborted()
    for (const [index, entry] of entries.entries()) hasher.add(entry, lines[index])
    for (const batch of slicesOf(entries, limits.manifestPageEntries)) {
      meter.add(await metadata.stageManifestPage(sessionId, manifestId, page, batch))
      page += 1
      await nextTurn()
    }
  }
  // A faulty client can send pages again at any time, so the digest is verified here.
  if (hasher.summary().treeDigest !== tree.treeDigest) throw incomplete('manifest', 1)
  return { manifestId, entryCount: summary.entryCount, measured: meter.lengths() }
}

/** Merges the changes into the base. Entries that the changes leave alone need no lookup by digest.
 *  Whenever something is not as the client assumed, the client is asked for the whole manifest. */
async function stageChanged(
  ports: IngestPorts,
  { sessionId, tree: offered }: Offer,
  { base, signal }: { base: number; signal: AbortSignal | undefined },
): Promise<StagedManifest> {
  const { metadata } = ports
  const manifestId = await metadata.stageNewManifest(sessionId, offered)
  const hasher = createManifestHasher()
  const checkTree = createTreeCheck()
  const meter = createRepresentationMeter()
  const merger = createMerger(await readOfferedChanges(metadata, sessionId))
  let page = 0
  let pending: (Entry | PageEntry)[] = []
  const stage = async (leftMax: number): Promise<void> => {
    while (pending.length > leftMax) {
      const batch = pending.slice(0, limits.manifestPageEntries)
      pending = pending.slice(limits.manifestPageEntries)
      for (const entry of batch) checkTree(entry)
      const placed = await metadata.stageManifestPage(sessionId, manifestId, page, batch)
      for (const entry of placed) hasher.add(entry)
      meter.add(placed)
      page += 1
      await nextTurn()
    }
  }
  try {
    for (let number = 0; ; number++) {
      signal?.throwIfAborted()
      const held = await metadata.readLeasedPage(sessionId, base, number)
      if (held === undefined) break
      pending.push(...merger.merge(held))
      await stage(limits.manifestPageEntries - 1)
    }
    pending.push(...merger.rest())
    await stage(0)
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const missing = await claimOffered(ports, sessionId)
    throw missing.length > 0 ? incomplete('blobs', missing.length) : incomplete('manifest', 1)
  }
  const made = hasher.summary()
  const isAsOffered =
    made.treeDigest === offered.treeDigest &&
    made.entryCount === offered.entryCount &&
    made.fileCount === offered.fileCount &&
    made.logicalBytes === offered.logicalBytes
  if (!isAsOffered) throw incomplete('manifest', 1)
  return { manifestId, entryCount: offered.entryCount, measured: meter.lengths() }
}

interface Merger {
  /** Returns the next entries of the base, merged with the changes up to the last of them. */
  merge(held: readonly PageEntry[]): (Entry | PageEntry)[]
  /** Returns the entries of changes after the end of the base. */
  rest(): Entry[]
}

function createMerger(changes: readonly Change[]): Merger {
  let at = 0
  const take = (into: (Entry | PageEntry)[]): void => {
    const change = changes[at++]!
    if (change.kind === 'entry') into.push(change.entry)
  }
  return {
    merge: (held) => {
      const merged: (Entry | PageEntry)[] = []
      for (const entry of held) {
        let order = 1
        while (at < changes.length) {
          order = comparePaths(changedPath(changes[at]!), entry.path)
          if (order > 0) break
          take(merged)
          if (order === 0) break
        }
        if (order !== 0) merged.push(entry)
      }
      return merged
    },
    rest: () => {
      const rest: Entry[] = []
      while (at < changes.length) take(rest)
      return rest
    },
  }
}
