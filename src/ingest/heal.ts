/** Healing with other bytes: the content arrived again as a different stream than the damaged one.
 *  (The same stream heals in place, when it is registered.) The blob takes a new copy, and every
 *  artifact that contains it is measured again. */
import { storeError } from '../core/errors.ts'
import { slicesOf } from '../core/slices.ts'
import { decodeSkeletonPage } from '../core/zip/skeleton.ts'
import { measureRepresentations, type RepresentationLengths } from '../egress/measure.ts'
import type { BlobPlacement, Composite, Copy } from '../core/bytes/copy.ts'
import type {
  EntryPage,
  Healing,
  HealingOutcome,
  HealingPlace,
  MeasuredHolder,
  Metadata,
} from '../metadata/metadata.ts'

const healingsPerPage = 100
/** An artifact that is committed, removed or healed meanwhile makes measuring start over. */
const triesMax = 3

/** Heals every blob that has an intact stream besides its damaged one; returns how many. A blob
 *  that an upload in progress refers to is skipped; the next upload of its content, or scrub, tries
 *  again. */
export async function healBlobs(metadata: Metadata): Promise<number> {
  return await healAmong(metadata, undefined)
}

/** The same for the blobs that `addPack` returned, whatever else is damaged. */
export async function healThese(metadata: Metadata, blobIds: number[]): Promise<void> {
  for (const some of slicesOf(blobIds, healingsPerPage)) await healAmong(metadata, some)
}

async function healAmong(metadata: Metadata, blobIds: number[] | undefined): Promise<number> {
  let healed = 0
  for (let tries = 0; tries < triesMax;) {
    const outcomes = new Set<HealingOutcome>()
    // Continues where the last page ended, so damage that cannot be healed is walked once.
    for (let after: HealingPlace | null = null; ;) {
      const page = { limit: healingsPerPage, after, blobIds }
      const { healings, next } = await metadata.listHealings(page)
      for (const outcome of await healListed(metadata, healings)) {
        outcomes.add(outcome)
        if (outcome === 'healed') healed += 1
      }
      if (next === null) break
      after = next
    }
    if (outcomes.has('changed')) tries += 1
    // A healed blob can need more healing: first its copy, then its joining stream.
    else if (!outcomes.has('healed')) break
  }
  return healed
}

async function healListed(metadata: Metadata, listed: Healing[]): Promise<HealingOutcome[]> {
  const outcomes: HealingOutcome[] = []
  // How far the versions of artifacts are ahead of when the healings were listed.
  const raised = new Map<number, number>()
  for (const each of listed) {
    const holders = each.holders.map((holder) => ({
      ...holder,
      version: holder.version + (raised.get(holder.artifactId) ?? 0),
    }))
    const healing = { ...each, holders }
    const outcome = await metadata.healBlob(healing, await measure(metadata, healing))
    outcomes.push(outcome)
    if (outcome !== 'healed') continue
    for (const { artifactId } of holders) raised.set(artifactId, (raised.get(artifactId) ?? 0) + 1)
  }
  return outcomes
}

/** Registers a composite; a damaged blob with the same content takes its parts.
 *  Errors: busy, when another upload in progress depends on that blob. */
export async function addComposite(
  metadata: Metadata,
  sessionId: string,
  composite: Composite,
): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    const healing = await metadata.addComposite(sessionId, composite)
    if (healing === undefined) return
    const outcome = await metadata.healBlob(healing, await measure(metadata, healing))
    if (outcome === 'healed') return
  }
  throw awaitsHealing()
}

/** The error for an upload with content that is stored damaged, and whose new stream cannot take
 *  over yet because another upload in progress refers to it. */
export function awaitsHealing(cause?: unknown): Error {
  const message = 'a damaged file of this upload is being healed; try again later'
  return storeError('busy', message, { what: 'healing' }, { cause })
}

async function measure(metadata: Metadata, healing: Healing): Promise<MeasuredHolder[]> {
  const { streamId } = healing
  const [placed] = streamId === null ? [] : await metadata.readStreams([streamId])
  const after = readingAfter(metadata, healing, placed?.copy ?? null)
  const lengths = new Map<number, RepresentationLengths>()
  const measured: MeasuredHolder[] = []
  for (const { artifactId, manifestId, kind, version } of healing.holders) {
    let length = lengths.get(manifestId)
    if (length === undefined) {
      length = await measureRepresentations(after, manifestId)
      lengths.set(manifestId, length)
    }
    const namesOldStream =
      kind === 'exact' && healing.oldStreamId !== null && healing.replacesCopy
        ? await namesStream(metadata, artifactId, healing.oldStreamId)
        : false
    measured.push({ artifactId, version, ...length, namesOldStream })
  }
  return measured
}

/** Reads manifests as they will be after the healing. */
function readingAfter(
  metadata: Metadata,
  { blobId, replacesCopy, joinedDeltas, composite }: Healing,
  copy: Copy | null,
): Pick<Metadata, 'readStagedEntryPage'> {
  const deltas = new Map(joinedDeltas.map((each) => [each.blobId, each.delta]))
  const placementAfter = (blob: BlobPlacement): BlobPlacement => {
    if (blob.blobId === blobId && replacesCopy) {
      const { partCount = 0, joinedBytes = copy?.lengthBytes ?? 0 } = composite ?? {}
      return { ...blob, copy, partCount, joinedBytes }
    }
    const delta = deltas.get(blob.blobId)
    return delta === undefined ? blob : { ...blob, joinedBytes: blob.joinedBytes + delta }
  }
  return {
    readStagedEntryPage: async (manifestId, number): Promise<EntryPage | undefined> => {
      const page = await metadata.readStagedEntryPage(manifestId, number)
      if (page === undefined) return undefined
      const entries = page.entries.map((entry) =>
        entry.kind === 'file' ? { ...entry, blob: placementAfter(entry.blob) } : entry,
      )
      return { ...page, entries }
    },
  }
}

async function namesStream(
  metadata: Metadata,
  artifactId: number,
  streamId: number,
): Promise<boolean> {
  for (let number = 0; ; number++) {
    const page = await metadata.readSkeletonPage(artifactId, number)
    if (page === undefined) return false
    const decoded = decodeSkeletonPage(page.bytes)
    if (decoded.kind === 'tail') return false
    if (decoded.members.some((member) => member.streamId === streamId)) return true
  }
}
