/** The operators' part of the wire contract: statistics, maintenance and its jobs, project
 *  policies, tokens. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'
import { bytes, count, cursor, id, instant } from './fields.ts'

export const statsSchema = z
  .object({
    artifacts: count,
    files: count,
    logicalBytes: bytes.meta({
      description:
        'Sum of the file sizes of live artifacts. Like their number, it includes what has expired until garbage collection notices.',
    }),
    removedBytes: bytes.meta({
      description:
        'Sum of the file sizes of deleted artifacts that still hold their content, because they can be restored or are being read.',
    }),
    uniqueBytes: bytes.meta({
      description: 'Bytes of these live and deleted artifacts, counting each distinct file once.',
    }),
    storedBytes: bytes.nullable().meta({
      description: 'Sum of pack file sizes; null for projects, since packs are shared.',
    }),
    dedupRatio: z.number().meta({
      description:
        'Logical and removed bytes divided by the bytes left after deduplication of files and chunks.',
    }),
    savedBy: z.object({
      wholeFile: z.int().meta({ description: 'Bytes saved by storing equal files once.' }),
      chunk: z.int().meta({ description: 'Bytes saved by storing equal chunks of files once.' }),
      compression: z.int().nullable().meta({
        description:
          'Deduplicated bytes minus live pack bytes: negative when pack overhead and uploads in progress exceed what compression saves; null for projects.',
      }),
    }),
    packs: count.nullable(),
    liveBytes: bytes.nullable(),
    deadBytes: bytes.nullable(),
  })
  .meta({ id: 'Stats' })

export const collectionRequestSchema = z
  .strictObject({
    now: z.boolean().default(false).meta({
      description: 'Skips all grace periods, and rewrites every pack that is more than 5 % dead.',
    }),
    dryRun: z.boolean().default(false),
  })
  .meta({ id: 'CollectionRequest' })

/** The result of a `gc` job. */
export const collectionSchema = z
  .object({
    expired: count,
    deletedArtifacts: count,
    freedBytes: z.int(),
    waitingBytes: bytes,
    waitingPacks: z.array(z.string()),
    restorableBytes: bytes.meta({
      description:
        'Logical bytes of deleted artifacts that can still be restored, and hold their space until they cannot: after the collection, or of a dry run before it.',
    }),
    noRoomBytes: bytes.meta({
      description:
        'Bytes that stay because the disk has no room to rewrite the packs that hold them; a dry run assumes that it has.',
    }),
    removedBlobs: count,
    removedPacks: count,
    rewrittenPacks: count,
  })
  .meta({ id: 'Collection' })

/** The result of a `scrub` job. */
export const scrubReportSchema = z
  .object({
    packs: count,
    copies: count,
    readBytes: bytes,
    damagedCopies: count.meta({ description: 'Damaged copies, including those already known.' }),
    foundCopies: count.meta({ description: 'Damaged copies found by this scrub.' }),
    healedCopies: count.meta({ description: 'Copies marked as damaged that proved intact.' }),
    healedBlobs: count.meta({
      description: 'Blobs that switched from a damaged stream to another stored one.',
    }),
    rewrittenPacks: count.meta({
      description: 'Packs rewritten because only their framing was damaged.',
    }),
    drifts: count.meta({ description: 'Counters that had drifted and were corrected.' }),
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
      .meta({ description: 'The first damaged artifacts, each with its first damaged files.' }),
  })
  .meta({ id: 'ScrubReport' })

export const backupRequestSchema = z
  .strictObject({
    destination: z
      .string()
      .regex(/^\/[^\0]*[^\0/]$/)
      .meta({
        description: "An absolute path on the server's machine that does not exist yet.",
      }),
    copies: z.boolean().default(false).meta({
      description:
        'Copies instead of hard-linking, so that the backup shares no bytes with the store or another backup.',
    }),
  })
  .meta({ id: 'BackupRequest' })

/** The result of a `backup` job. */
export const backupReportSchema = z
  .object({
    path: z.string(),
    packs: count,
    packBytes: bytes,
    linkedPacks: count,
    copiedPacks: count,
    reusedPacks: count.meta({
      description: 'Packs that an interrupted backup had already copied.',
    }),
    damagedCopies: count,
    missingPacks: count,
  })
  .meta({ id: 'BackupReport' })

/** The result of a `snapshot` job. */
export const snapshotReportSchema = z
  .object({
    number: id,
    databaseBytes: bytes,
    snapshotBytes: bytes,
  })
  .meta({ id: 'SnapshotReport' })

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.string(),
    origin: z.enum(['schedule', 'request']).meta({
      description: "Whether the server's schedule or a request started it.",
    }),
    dryRun: z.boolean().meta({
      description: 'Whether it changes nothing, and its result is what it would do.',
    }),
    state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
    createdAt: instant,
    endedAt: instant.nullable(),
    progress: z.record(z.string(), z.unknown()).meta({
      description: 'The last progress reported; once the job is done, its result.',
    }),
    error: z.string().nullable().meta({ description: 'Why it failed; null if it did not.' }),
    code: z.string().nullable().meta({
      description:
        'The error code of the failure; `internal` for an unexpected one, whose details are in the log.',
    }),
  })
  .meta({ id: 'Job' })

export const jobListSchema = z
  .object({ items: z.array(jobSchema), nextCursor: cursor })
  .meta({ id: 'JobList' })

const retentionDays = z.number().positive().max(36_500).nullable()

/** Null means the server's setting, and is the default of every setting. */
const projectPolicy = {
  onConflict: z.enum(['reject', 'replace']).nullable().meta({
    description: 'What CreateArtifact does when the name is taken.',
  }),
  strict: z.boolean().nullable().meta({
    description:
      'Whether jobs may replace and delete only artifacts they made themselves, and record only runs that no other job records.',
  }),
  keepLatest: z.array(z.string().max(512)).max(limits.keepLatestMax).nullable().meta({
    description:
      'Globs of `BRANCH/NAME`: the latest artifact of each matching branch and name does not expire until a newer one is uploaded.',
  }),
  retentionDays: retentionDays.meta({ description: 'Retention of uploads that request none.' }),
  retentionMinDays: retentionDays,
  retentionMaxDays: retentionDays.meta({ description: "At most the server's maximum." }),
  quotaBytes: z
    .int()
    .positive()
    .nullable()
    .meta({ description: 'Upper bound on the logical bytes of its live artifacts.' }),
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

export const projectListSchema = z
  .object({
    items: z.array(
      z.object({
        name: z.string(),
        artifacts: count,
        files: count,
        logicalBytes: bytes.meta({ description: 'Sum of the file sizes of live artifacts.' }),
        dedupedBytes: bytes.meta({
          description:
            'Bytes of live artifacts, and of deleted ones that still hold their content, counting each distinct file and chunk once, in the project that uploaded it first.',
        }),
        createdAt: instant,
        links: z.object({ html: z.string() }),
      }),
    ),
    nextCursor: cursor,
    total: count,
  })
  .meta({ id: 'ProjectList' })

export type WireProjectList = z.infer<typeof projectListSchema>
export type WireStats = z.infer<typeof statsSchema>
export type WireCollection = z.infer<typeof collectionSchema>
export type WireScrubReport = z.infer<typeof scrubReportSchema>
export type WireBackupReport = z.infer<typeof backupReportSchema>
export type WireSnapshotReport = z.infer<typeof snapshotReportSchema>
export type WireJob = z.infer<typeof jobSchema>
export type WireProject = z.infer<typeof projectSchema>
