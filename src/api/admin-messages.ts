/** The operators' part of the wire contract: statistics, maintenance and its jobs, project
 *  policies, tokens. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { actorSchema, bytes, count, cursor, id, instant, toldFacts } from './fields.ts'

export const statsSchema = z
  .object({
    artifacts: count,
    files: count,
    logicalBytes: bytes.meta({ description: 'Sum of the file sizes of live artifacts.' }),
    removedBytes: bytes.meta({
      description:
        'The same of deleted artifacts that still hold their content, because they can be restored or are being read.',
    }),
    uniqueBytes: bytes.meta({
      description: 'Bytes of both, counting each distinct file once.',
    }),
    storedBytes: bytes.nullable().meta({
      description: 'Sum of pack file sizes; null for one project, since packs are shared.',
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
          'Deduplicated bytes minus live pack bytes: negative when pack overhead and uploads in progress exceed what compression saves; null for one project.',
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
        'Copies instead of hard-linking, so that the backup shares no bytes with the store.',
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

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.string(),
    origin: z.enum(['schedule', 'request']).meta({
      description: "Whether the server's schedule or a request started it.",
    }),
    state: z.enum(['waiting', 'running', 'done', 'failed']),
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

export const jobListSchema = z.object({ items: z.array(jobSchema) }).meta({ id: 'JobList' })

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

/** A hundred years. A much later expiry could not be formatted as a date. */
const tokenSecondsMax = 100 * 366 * 86_400

const jobName = z
  .string()
  .min(1)
  .refine((text) => text.isWellFormed(), 'must be valid Unicode')

const tokenScope = z.enum(['job', 'run', 'read', 'write', 'admin'])

const projectAccess = z
  .array(z.object({ scope: z.enum(['read', 'write']), projects: z.string() }))
  .meta({
    description:
      'What a token for several projects may do in which: `projects` is a glob. Else empty.',
  })

export const tokenRequestSchema = z
  .strictObject({
    project: z.string().optional(),
    projects: z.string().optional().meta({
      description:
        'Globs of projects, separated by blanks, in place of `project`: for tokens of scope read or write, minted by scope admin.',
    }),
    run: id.optional(),
    attempt: id.optional(),
    job: jobName.optional(),
    ...toldFacts,
    scope: tokenScope.optional(),
    expiresInSeconds: z.int().min(1).max(tokenSecondsMax).optional(),
  })
  .meta({ id: 'TokenRequest' })

export const idTokenRequestSchema = z
  .strictObject({
    idToken: z.string().max(limits.tokenCharactersMax).meta({
      description:
        "A JWT by an issuer that the server trusts, with the server's public URL as its audience.",
    }),
    job: jobName.optional().meta({ description: 'Required if the ID token names no job.' }),
    scope: z.enum(['job', 'run']).optional(),
    ...toldFacts,
  })
  .meta({ id: 'IdTokenRequest' })

export const tokenSchema = z.object({ token: z.string(), expiresAt: instant }).meta({ id: 'Token' })

export const revocationRequestSchema = z
  .strictObject({
    token: z.string().max(limits.tokenCharactersMax).optional(),
    id: z.string().max(64).optional().meta({ description: 'The id of a listed token.' }),
  })
  .refine(({ token, id }) => (token === undefined) !== (id === undefined), {
    message: 'give either a token or the id of a listed token',
    path: ['token'],
  })
  .meta({ id: 'RevocationRequest' })

export const mintedTokenSchema = z
  .object({
    id: z.string().meta({ description: 'A digest of the token; it grants no access.' }),
    project: z.string().nullable().meta({
      description: "Null for an administrator's token, and for one that has `access`.",
    }),
    access: projectAccess,
    scope: tokenScope,
    run: id.nullable(),
    job: z.string().nullable(),
    session: z.boolean().meta({ description: "Whether it is a browser's session." }),
    mintedAt: instant,
    mintedBy: actorSchema,
    expiresAt: instant,
    state: z.enum(['valid', 'revoked', 'expired']),
  })
  .meta({ id: 'MintedToken' })

export const currentTokenSchema = z
  .object({
    id: z.string().meta({ description: 'As `GET /tokens` lists it: a digest of the token.' }),
    scope: tokenScope,
    project: z.string().nullable().meta({
      description: 'Null for scope admin, and for a token that has `access`.',
    }),
    access: projectAccess,
    run: id.nullable(),
    attempt: id.nullable(),
    job: z.string().nullable(),
    session: z.boolean().meta({ description: "Whether it is a browser's session." }),
    expiresAt: instant,
    serverVersion: z.string(),
  })
  .meta({ id: 'CurrentToken' })

export const mintedTokenListSchema = z
  .object({ items: z.array(mintedTokenSchema), nextCursor: cursor })
  .meta({ id: 'MintedTokenList' })

export const revokedTokenSchema = z
  .object({
    scope: tokenScope,
    project: z.string().nullable(),
    run: id.nullable(),
    job: z.string().nullable(),
    expiresAt: instant.meta({ description: 'When it would have expired.' }),
  })
  .meta({ id: 'RevokedToken' })

export const revokedTokensSchema = z
  .object({
    project: z.string(),
    issuedUntil: instant.meta({
      description: 'Tokens issued up to this instant are revoked; later ones are not.',
    }),
  })
  .meta({ id: 'RevokedTokens' })

export type WireStats = z.infer<typeof statsSchema>
export type WireCollection = z.infer<typeof collectionSchema>
export type WireScrubReport = z.infer<typeof scrubReportSchema>
export type WireBackupReport = z.infer<typeof backupReportSchema>
export type WireJob = z.infer<typeof jobSchema>
export type WireMintedToken = z.infer<typeof mintedTokenSchema>
export type WireCurrentToken = z.infer<typeof currentTokenSchema>
export type WireRevokedToken = z.infer<typeof revokedTokenSchema>
export type WireRevokedTokens = z.infer<typeof revokedTokensSchema>
export type WireToken = z.infer<typeof tokenSchema>
export type WireProject = z.infer<typeof projectSchema>
