/** The negotiated upload, from the client's side (api/negotiation.ts):
 *
 *    1. walk and hash, in parallel; files that the stat cache knows are only looked at;
 *    2. offer the tree's digest: when the project knows it, that was all;
 *    3. offer the manifest, or what is different from the tree that was sent before; cut the large files of what is missing, and offer their parts;
 *    4. deflate and send what is missing, in parallel;
 *    5. commit.
 *  A network that fails costs what was on its way: the missing set is asked for again. A process that dies costs no more,
 *  because the same upload finds its session. */
import type { WireArtifact } from '../../api/messages.ts'
import type { CommitAnswer, Offer, OfferAnswer } from '../../api/negotiation-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { formatWireDigest } from '../../core/digest.ts'
import { hasCode } from '../../core/errors.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { HashedTree } from './hashed-tree.ts'
import { requestJson, type ServerAccess } from '../transport/http.ts'
import { largeUnits } from './large-units.ts'
import { NetworkError } from '../transport/network-error.ts'
import { offerChanges, offerManifest, offerTimes } from './offer-tree.ts'
import { significantBytes, transferTriesMax, waitForTransfer } from '../transport/retry.ts'
import { type Sending, type SendTreeOptions, sendUnits } from './sending.ts'
import { planSmall, type SendUnit, splitMissing } from './upload-plan.ts'

/** Who uploads, and as what; what is absent the token says, or the server's defaults. */
export type UploadTarget = Pick<
  Offer,
  | 'project'
  | 'run'
  | 'attempt'
  | 'job'
  | 'name'
  | 'retentionDays'
  | 'overwrite'
  | 'branch'
  | 'sha'
  | 'workflow'
  | 'event'
>

export interface SentTree {
  artifact: WireArtifact
  /** False when the same job had sent the same tree under this name before. */
  created: boolean
  sentBytes: number
  /** Content bytes that the server had, or that came more than once in the tree. */
  reusedBytes: number
}

/** Uploads a hashed tree. Errors: FileError, NetworkError, and the server's codes: name_taken, too_large, storage_full… */
export async function sendTree(
  server: ServerAccess,
  pool: FilePool,
  tree: HashedTree,
  target: UploadTarget,
  options: SendTreeOptions,
): Promise<SentTree> {
  const { treeDigest, entryCount, fileCount, logicalBytes } = tree.summary
  const changes = tree.changes()
  const sending: Sending = {
    ...options,
    server,
    pool,
    tree,
    changes,
    offer: {
      ...target,
      treeDigest: formatWireDigest(treeDigest),
      ...(changes !== null && { base: formatWireDigest(changes.base) }),
      entryCount,
      fileCount,
      logicalBytes,
      timesDigest: formatWireDigest(tree.timesDigest),
    },
    progress: { doneBytes: 0, totalBytes: logicalBytes, sentBytes: 0 },
    contentBytes: 0,
    onHeld: () => {},
  }
  let heldMax = 0
  for (let failures = 0; ;) {
    let held = 0
    // What really got through is what the next try finds; what was sent may have been lost.
    sending.onHeld = (bytes) => {
      held += bytes
      if (held > heldMax + significantBytes) failures = 0
      heldMax = Math.max(heldMax, held)
    }
    try {
      const { artifact, created } = await negotiate(sending)
      const { sentBytes } = sending.progress
      return {
        artifact,
        created,
        sentBytes,
        reusedBytes: Math.max(0, logicalBytes - sending.contentBytes),
      }
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isPassing(error)) throw error
      // What came of the changes is not the tree, perhaps: the whole manifest says what is.
      if (hasCode(error, 'upload_incomplete') && error.details.what === 'manifest')
        forgetBase(sending)
      failures += 1
      if (failures >= transferTriesMax) throw error
      options.onRetry(error)
      await waitForTransfer(failures, options.signal)
    }
  }
}

function forgetBase(sending: Sending): void {
  const { base: _base, ...offer } = sending.offer
  sending.offer = offer
  sending.changes = null
}

/** What the same upload, begun again, may well get over. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof NetworkError ||
    hasCode(error, 'session_ended') ||
    hasCode(error, 'upload_incomplete') ||
    hasCode(error, 'incomplete_body') ||
    hasCode(error, 'idle_timeout') ||
    hasCode(error, 'busy') ||
    hasCode(error, 'shutting_down')
  )
}

async function negotiate(sending: Sending): Promise<{ artifact: WireArtifact; created: boolean }> {
  const { server, offer, tree, signal } = sending
  const waits = isBaseWorthKeeping(sending)
  const offering = requestJson<OfferAnswer>(
    server,
    { method: 'POST', path: `${apiRoot}/uploads`, json: offer, repeatable: true, signal },
    ['state'],
  )
  // Met below.
  offering.catch(() => {})
  // Written while the server thinks; when it refuses, nothing need be read again.
  if (!waits) await tree.saveStatCache()
  const answer = await offering
  if (answer.state === 'done') {
    if (waits) await tree.saveStatCache()
    sending.onProgress({ ...sending.progress, doneBytes: sending.progress.totalBytes })
    return answer
  }
  const uploadPath = `${apiRoot}/uploads/${answer.id}`
  if (answer.needs === 'times') await offerTimes(sending, uploadPath)
  else await sendContent(sending, uploadPath, answer.needs === 'changes')
  sending.onFinishing()
  const committing = requestJson<CommitAnswer>(
    server,
    { method: 'POST', path: `${uploadPath}/commit`, json: offer, repeatable: true, signal },
    ['artifact', 'created'],
  )
  if (waits) await tree.saveStatCache(committing)
  return await committing
}

/** Content that is rather read once more than that a tree is forgotten which the server has: about a second's. */
const readAgainBytesMax = 256 * 1024 * 1024

/** Whether the stat cache keeps the tree of before until this one is committed. An upload that is cut short can then offer
 *  changes again, but reads again what changed. */
function isBaseWorthKeeping({ tree, changes }: Sending): boolean {
  if (changes === null) return false
  const changedBytes = changes.ordinals.reduce((sum, ordinal) => sum + tree.sizeBytes(ordinal), 0)
  return changedBytes <= readAgainBytesMax
}

/** `isBaseKnown`: the server can make the tree of what it has. */
async function sendContent(
  sending: Sending,
  uploadPath: string,
  isBaseKnown: boolean,
): Promise<void> {
  const { tree, progress } = sending
  const [missing] = await Promise.all([
    offerEntries(sending, uploadPath, isBaseKnown),
    offerTimes(sending, uploadPath),
  ])
  const { small, large } = splitMissing(tree, missing)
  const missingBytes = [...small, ...large].reduce(
    (sum, ordinal) => sum + tree.sizeBytes(ordinal),
    0,
  )
  progress.doneBytes = progress.totalBytes - missingBytes
  sending.onProgress(progress)
  sending.onHeld(progress.doneBytes)
  const units = largeUnits(sending, uploadPath, large)
  await sendUnits(sending, uploadPath, smallThenLarge(planSmall(tree, small, sending.level), units))
}

/** Answers the ordinals of entries that must be sent. */
async function offerEntries(
  sending: Sending,
  uploadPath: string,
  isBaseKnown: boolean,
): Promise<number[]> {
  if (isBaseKnown && sending.changes !== null) {
    try {
      return await offerChanges(sending, uploadPath, sending.changes)
    } catch (error) {
      if (!hasCode(error, 'not_found')) throw error
      forgetBase(sending)
    }
  }
  return await offerManifest(sending, uploadPath)
}

/** Small files can be sent at once, so the server has work while large ones are cut. */
async function* smallThenLarge(
  small: Iterable<SendUnit>,
  large: AsyncIterable<SendUnit>,
): AsyncGenerator<SendUnit> {
  yield* small
  yield* large
}
