/** The native wire contract: schemas that the server validates with, that clients infer their types from, and that
 *  `/openapi.json` is generated from. Digests are `sha256:<hex>`, instants ISO 8601 in UTC, sizes whole bytes. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'

const bytes = z.int().min(0)
const count = z.int().min(0)
const id = z.int().min(1)
const instant = z.iso.datetime()
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const cursor = z
  .string()
  .nullable()
  .meta({ description: 'Give it as `cursor` to go on; null at the end.' })

export const artifactStateSchema = z.enum(['available', 'damaged', 'expired', 'deleted'])

const artifactKindSchema = z.enum(['exact', 'opaque', 'raw', 'tree']).meta({
  description:
    'How the bytes came: `exact`, a zip that comes back byte for byte; `opaque`, a zip kept whole because it cannot be ' +
    'taken apart; `raw`, one file; `tree`, entries of a tar or of the native client, whose zip is generated.',
})

const linksSchema = z.object({
  self: z.string(),
  html: z.string(),
  download: z.string(),
  tarGz: z.string(),
  manifest: z.string(),
})

export const artifactSchema = z
  .object({
    id,
    name: z.string(),
    project: z.string(),
    run: id,
    attempt: id,
    job: z.string(),
    branch: z.string().nullable(),
    sha: z.string().nullable(),
    workflow: z.string().nullable(),
    event: z.string().nullable(),
    state: artifactStateSchema,
    kind: artifactKindSchema,
    mimeType: z.string(),
    files: count,
    logicalBytes: bytes,
    newBytes: bytes.meta({ description: 'Pack bytes that this upload added.' }),
    treeDigest: digest.meta({
      description: 'Of the manifest: what the entries are, whatever their times and archive.',
    }),
    zipDigest: digest
      .nullable()
      .meta({ description: 'Of `archive.zip`, where known without building it.' }),
    zipBytes: bytes,
    tarGzBytes: bytes,
    createdAt: instant,
    expiresAt: instant,
    pinned: z.boolean(),
    opaqueReason: z.string().nullable(),
    removedAt: instant.nullable(),
    removedReason: z.string().nullable(),
    links: linksSchema,
  })
  .meta({ id: 'Artifact' })

export const artifactDetailSchema = artifactSchema
  .extend({
    exclusiveBytes: bytes.meta({
      description: 'Pack bytes that come back if it goes: what no other artifact holds.',
    }),
    damagedFiles: z.array(z.string()).meta({
      description:
        'Paths whose stored bytes are bad, at most 1,000; the other files stay readable.',
    }),
  })
  .meta({ id: 'ArtifactDetail' })

export const artifactListSchema = z
  .object({ items: z.array(artifactSchema), nextCursor: cursor, total: count })
  .meta({ id: 'ArtifactList' })

const mode = z
  .string()
  .regex(/^0[0-7]{3}$/)
  .meta({ description: 'Nine permission bits, octal.' })
const entryBase = {
  path: z.string(),
  mode,
  modifiedAt: instant.nullable().meta({ description: 'Null where the upload carried none.' }),
}

export const entrySchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('file'), ...entryBase, sizeBytes: bytes, digest }),
    z.object({ kind: z.literal('directory'), ...entryBase }),
    z.object({ kind: z.literal('symlink'), ...entryBase, target: z.string() }),
  ])
  .meta({ id: 'Entry' })

export const manifestPageSchema = z
  .object({ items: z.array(entrySchema), nextCursor: cursor })
  .meta({ id: 'ManifestPage' })

export const directoryPageSchema = z
  .object({ path: z.string(), items: z.array(entrySchema), nextCursor: cursor })
  .meta({ id: 'DirectoryPage' })

const differenceSchema = z
  .object({
    kind: z.enum(['added', 'removed', 'changed', 'moved', 'mode']).meta({
      description:
        '`moved`: the same digest under another path. `mode`: only the permission bits differ.',
    }),
    path: z.string(),
    from: z.string().nullable().meta({ description: 'The path in base of what was moved.' }),
    before: entrySchema.nullable(),
    after: entrySchema.nullable(),
  })
  .meta({ id: 'Difference' })

export const comparisonSchema = z
  .object({
    base: artifactSchema,
    head: artifactSchema,
    totals: z.object({
      added: count,
      removed: count,
      changed: count,
      moved: count,
      mode: count,
      unchanged: count,
      baseBytes: bytes,
      headBytes: bytes,
    }),
    complete: z.boolean().meta({
      description: `False when more than ${limits.compareDifferencesMax} entries differ: the totals count all, the items are the first.`,
    }),
    items: z.array(differenceSchema),
    nextCursor: cursor,
  })
  .meta({ id: 'Comparison' })

export const statsSchema = z
  .object({
    artifacts: count,
    files: count,
    logicalBytes: bytes.meta({ description: 'Sum over live artifacts of what their files hold.' }),
    uniqueBytes: bytes.meta({ description: 'Each distinct file once.' }),
    storedBytes: bytes.nullable().meta({
      description: 'Sum of pack file sizes; null for one project, since packs are shared.',
    }),
    dedupRatio: z.number().meta({
      description:
        'Logical bytes over the bytes that remain once each file and each chunk is kept once.',
    }),
    savedBy: z.object({
      wholeFile: z.int().meta({ description: 'Bytes of files that were there already.' }),
      chunk: z.int().meta({ description: 'Bytes of chunks that other files hold too.' }),
      compression: z
        .int()
        .nullable()
        .meta({ description: 'Remaining bytes less live pack bytes; null for one project.' }),
    }),
    packs: count.nullable(),
    liveBytes: bytes.nullable(),
    deadBytes: bytes.nullable(),
  })
  .meta({ id: 'Stats' })

export const retentionChangeSchema = z
  .strictObject({ expiresAt: instant.optional(), pinned: z.boolean().optional() })
  .refine((change) => change.expiresAt !== undefined || change.pinned !== undefined, {
    message: 'give expiresAt, pinned or both',
  })
  .meta({ id: 'RetentionChange' })

const freedBytes = bytes.meta({
  description: 'Pack bytes that garbage collection gives back for it: what nothing else holds.',
})
const undoUntil = instant
  .nullable()
  .meta({ description: 'Until then it can be taken back. Null after a dry run.' })

export const deletionSchema = z
  .object({
    id,
    state: artifactStateSchema,
    deletedAt: instant.nullable(),
    undoUntil,
    freedBytes,
    dryRun: z.boolean(),
  })
  .meta({ id: 'Deletion' })

export const bulkDeletionRequestSchema = z
  .strictObject({
    ids: z.array(id).min(1).max(limits.bulkDeleteMax).optional(),
    filter: z
      .strictObject({
        project: z.string().optional(),
        run: id.optional(),
        attempt: id.optional(),
        name: z.string().min(1).optional(),
        branch: z.string().min(1).optional(),
        createdBefore: instant.optional(),
      })
      .refine(
        ({ run, name, branch, createdBefore }) =>
          [run, name, branch, createdBefore].some((each) => each !== undefined),
        { message: 'narrow it by run, name, branch or createdBefore' },
      )
      .optional(),
    dryRun: z.boolean().default(false),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), {
    message: 'give ids or filter',
  })
  .meta({ id: 'BulkDeletionRequest' })

export const bulkDeletionSchema = z
  .object({
    items: z.array(z.object({ id, name: z.string(), run: id, attempt: id, logicalBytes: bytes })),
    freedBytes,
    undoUntil,
    dryRun: z.boolean(),
  })
  .meta({ id: 'BulkDeletion' })

export const collectionRequestSchema = z
  .strictObject({
    now: z.boolean().default(false).meta({
      description: 'Waits for no grace, and rewrites every pack more than 5 % dead.',
    }),
    dryRun: z.boolean().default(false),
  })
  .meta({ id: 'CollectionRequest' })

/** The outcome of a `gc` job. */
export const collectionSchema = z
  .object({
    expired: count,
    deletedArtifacts: count,
    freedBytes: z.int(),
    waitingBytes: bytes,
    waitingPacks: z.array(z.string()),
    removedBlobs: count,
    removedPacks: count,
    rewrittenPacks: count,
  })
  .meta({ id: 'Collection' })

/** The outcome of a `scrub` job. */
export const scrubReportSchema = z
  .object({
    packs: count,
    copies: count,
    readBytes: bytes,
    damagedCopies: count.meta({ description: 'Copies that are bad, known before or not.' }),
    foundCopies: count.meta({ description: 'Of these, those that nobody knew of.' }),
    healedCopies: count.meta({ description: 'Copies that were thought bad and are whole.' }),
    healedBlobs: count.meta({
      description: 'Blobs that took another stream of the store in place of a bad one.',
    }),
    rewrittenPacks: count.meta({ description: 'Packs of which only the framing was bad.' }),
    drifts: count.meta({ description: 'Rollups that were off and are set right.' }),
    damagedArtifacts: count,
    damaged: z
      .array(
        z.object({
          id,
          project: z.string(),
          run: id,
          name: z.string(),
          damagedFiles: z.array(z.string()),
        }),
      )
      .meta({ description: 'The first damaged artifacts, each with the first of its files.' }),
  })
  .meta({ id: 'ScrubReport' })

export const backupRequestSchema = z
  .strictObject({
    destination: z
      .string()
      .regex(/^\/[^\0]*[^\0/]$/)
      .meta({
        description: 'An absolute path of the machine that the server runs on. Must not exist.',
      }),
    copies: z.boolean().default(false).meta({
      description: 'Never hard links, so that the backup shares no bytes with the store.',
    }),
  })
  .meta({ id: 'BackupRequest' })

/** The outcome of a `backup` job. */
export const backupReportSchema = z
  .object({
    path: z.string(),
    packs: count,
    packBytes: bytes,
    linkedPacks: count,
    copiedPacks: count,
    reusedPacks: count.meta({ description: 'Packs that an earlier try had brought.' }),
    damagedCopies: count,
    missingPacks: count,
  })
  .meta({ id: 'BackupReport' })

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(['waiting', 'running', 'done', 'failed']),
    createdAt: instant,
    endedAt: instant.nullable(),
    progress: z.record(z.string(), z.unknown()).meta({
      description: 'What it told last; the outcome once it is done.',
    }),
    error: z.string().nullable(),
  })
  .meta({ id: 'Job' })

const retentionDays = z.number().positive().max(36_500).nullable()

/** Null follows the server, and so does everything that was never set. */
const projectPolicy = {
  onConflict: z.enum(['reject', 'replace']).nullable().meta({
    description: 'What CreateArtifact does when the name is taken.',
  }),
  retentionDays: retentionDays.meta({ description: 'When an upload asks for none.' }),
  retentionMinDays: retentionDays,
  retentionMaxDays: retentionDays.meta({ description: "At most the server's." }),
  quotaBytes: z
    .int()
    .positive()
    .nullable()
    .meta({ description: 'Bound on the logical bytes of its live artifacts.' }),
}

export const projectPolicySchema = z
  .strictObject(projectPolicy)
  .partial()
  .meta({ id: 'ProjectPolicy' })

export const projectSchema = z
  .object({
    name: z.string(),
    ...projectPolicy,
    createdAt: instant,
  })
  .meta({ id: 'Project' })

export const tokenRequestSchema = z
  .strictObject({
    project: z.string().optional(),
    run: id.optional(),
    attempt: id.optional(),
    job: z.string().min(1).optional(),
    branch: z.string().optional(),
    sha: z.string().optional(),
    workflow: z.string().optional(),
    event: z.string().optional(),
    scope: z.enum(['job', 'run', 'read', 'write', 'admin']).optional(),
    expiresInSeconds: z.int().min(1).optional(),
  })
  .meta({ id: 'TokenRequest' })

export const tokenSchema = z.object({ token: z.string(), expiresAt: instant }).meta({ id: 'Token' })

/** RFC 9457, with the code that programs act on and whether asking again can help. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    retryable: z.boolean(),
  })
  .meta({ id: 'Problem' })

export type WireArtifact = z.infer<typeof artifactSchema>
export type WireArtifactDetail = z.infer<typeof artifactDetailSchema>
export type WireArtifactList = z.infer<typeof artifactListSchema>
export type WireEntry = z.infer<typeof entrySchema>
export type WireDirectoryPage = z.infer<typeof directoryPageSchema>
export type WireDifference = z.infer<typeof differenceSchema>
export type WireStats = z.infer<typeof statsSchema>
export type WireBulkDeletion = z.infer<typeof bulkDeletionSchema>
export type WireCollection = z.infer<typeof collectionSchema>
export type WireScrubReport = z.infer<typeof scrubReportSchema>
export type WireBackupReport = z.infer<typeof backupReportSchema>
export type WireJob = z.infer<typeof jobSchema>
export type WireProject = z.infer<typeof projectSchema>
