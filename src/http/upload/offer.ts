/** Checks the offer of a negotiated upload before anything is sent: permission, size and name. */
import { offerSchema, uploadCheckSchema } from '../../api/negotiation-messages.ts'
import { mayInspectProject, type Principal } from '../../auth/principal.ts'
import { refuseReplacement } from '../../core/artifact.ts'
import { type Digest, digestOf } from '../../core/bytes/digest.ts'
import { tooLarge } from '../../core/errors.ts'
import { expiresAtOf } from '../../core/policy/retention.ts'
import { completeFacts, parseProjectName, type ProjectName } from '../../core/run/run.ts'
import type { OfferedArtifact } from '../../ingest/negotiated/job.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { AppContext, AppRequest } from '../context.ts'
import { digestField, parseBody } from '../input.ts'
import { retentionOf } from '../artifact/retention.ts'
import { actorOf } from '../access/actor.ts'
import { replacementBy } from '../access/strict.ts'
import { requireChance, requireQuota } from './quota.ts'
import { uploadDestination } from './upload-destination.ts'

/** An offer that its sender is allowed to make. */
export interface Offered {
  artifact: OfferedArtifact
  project: ProjectName
  projectId: number
  run: number
  attempt: number
  /** Identifies the session, so that repeating the same command finds it again. */
  key: Digest
  timesDigest: Digest
  /** Whether the sender may use contents of the project; otherwise it must send everything. */
  usesProject: boolean
  /** A tree that the client has cached and can send changes against. */
  base: Digest | null
}

/** Errors: invalid_request, invalid_name, forbidden, not_found, too_large. */
export async function readOffer(
  context: AppContext,
  c: AppRequest,
  principal: Principal,
): Promise<Offered> {
  const message = await parseBody(context, c, offerSchema)
  const destination = uploadDestination(principal, {
    ...message,
    project: parseProjectName(message.project),
  })
  if (message.entryCount > context.config.entriesMax)
    throw tooMany('entries of one artifact', context.config.entriesMax, 'TROVE_MAX_ENTRIES')
  if (message.logicalBytes > context.config.artifactBytesMax) {
    throw tooMany(
      'logical bytes of one artifact',
      context.config.artifactBytesMax,
      'TROVE_MAX_ARTIFACT',
    )
  }
  const now = context.now()
  const { project, number, attempt, job, name } = destination
  const run = await context.metadata.ensureRun(
    { project, number, attempt },
    completeFacts(principal.facts, message),
    now,
  )
  const days = message.retentionDays
  const treeDigest = digestField(message.treeDigest, 'treeDigest')
  return {
    project,
    projectId: run.projectId,
    run: number,
    attempt,
    key: digestOf(JSON.stringify([run.id, job, name, treeDigest])),
    timesDigest: digestField(message.timesDigest, 'timesDigest'),
    usesProject: mayInspectProject(principal, project),
    base: message.base === undefined ? null : digestField(message.base, 'base'),
    artifact: {
      tree: {
        treeDigest,
        entryCount: message.entryCount,
        fileCount: message.fileCount,
        logicalBytes: message.logicalBytes,
      },
      runId: run.id,
      job,
      name,
      createdAt: now,
      expiresAt: expiresAtOf(
        days === undefined ? null : { days },
        await retentionOf(context, project),
        context.clock.retentionFrom(),
      ),
      onConflict: message.overwrite ? await replacementBy(context, principal) : 'same',
      by: actorOf(principal, 'api'),
    },
  }
}

/** Rejects an upload that has no chance whatever its tree is, before its sender hashes that.
 *  Changes nothing. Errors: invalid_request, invalid_name, forbidden, not_found, name_taken,
 *  quota_exceeded. */
export async function checkUpload(
  context: AppContext,
  c: AppRequest,
  principal: Principal,
): Promise<void> {
  const message = await parseBody(context, c, uploadCheckSchema)
  const project = parseProjectName(message.project)
  const destination = uploadDestination(principal, { ...message, project })
  const onConflict = message.overwrite ? await replacementBy(context, principal) : 'same'
  await requireChance(context, { ...destination, onConflict }, 0)
}

/** Rejects an upload whose name is taken, or that does not fit, before its content is sent; not one
 *  that replaces an artifact, or repeats one, which adds nothing. The commit checks again. Errors:
 *  name_taken, forbidden, quota_exceeded. */
export async function requireAcceptable(context: AppContext, offered: Offered): Promise<void> {
  const { project, run: number, attempt, artifact } = offered
  const { name, tree } = artifact
  const holder = await holderOf(context, offered)
  if (holder === undefined)
    await requireQuota(context, { project, number, attempt, name }, tree.logicalBytes)
  else if (artifact.onConflict !== 'same' || !isOffered(holder, offered))
    refuseReplacement(artifact, holder)
}

/** Returns the artifact that an earlier commit of this offer made, if the response was lost. */
export async function outcomeOf(
  context: AppContext,
  offered: Offered,
): Promise<Artifact | undefined> {
  const holder = await holderOf(context, offered)
  if (holder === undefined || !isOffered(holder, offered)) return undefined
  const timesDigest = await context.metadata.readTimesDigest(holder.id)
  return timesDigest === offered.timesDigest ? holder : undefined
}

async function holderOf(
  { metadata }: AppContext,
  { projectId, run, attempt, artifact: { name, createdAt: now } }: Offered,
): Promise<Artifact | undefined> {
  return await metadata.findNewest({ projectId, run, attempt, name }, now)
}

function isOffered(holder: Artifact, { artifact: { job, tree } }: Offered): boolean {
  return holder.job === job && holder.kind === 'tree' && holder.treeDigest === tree.treeDigest
}

function tooMany(limit: string, limitValue: number, setting: string): Error {
  return tooLarge(limit, limitValue, `${limit} must be at most ${limitValue} (${setting})`, setting)
}
