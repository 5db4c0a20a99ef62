/** The part of the wire contract that operators use: figures, maintenance and its jobs, projects' policies, tokens. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { actorSchema, bytes, count, cursor, id, instant } from './fields.ts'

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
      compression: z.int().nullable().meta({
        description:
          'Remaining bytes less live pack bytes: negative where packing costs more than compression saves; null for one project.',
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
    origin: z.enum(['schedule', 'request']).meta({
      description: 'Whether the clock of the server or somebody asked for it.',
    }),
    state: z.enum(['waiting', 'running', 'done', 'failed']),
    createdAt: instant,
    endedAt: instant.nullable(),
    progress: z.record(z.string(), z.unknown()).meta({
      description: 'What it told last; the outcome once it is done.',
    }),
    error: z.string().nullable().meta({ description: 'Why it failed.' }),
    code: z.string().nullable().meta({
      description:
        'The same for programs: a code of problems, or `internal`, of which the log tells more.',
    }),
  })
  .meta({ id: 'Job' })

export const jobListSchema = z.object({ items: z.array(jobSchema) }).meta({ id: 'JobList' })

const retentionDays = z.number().positive().max(36_500).nullable()

/** Null follows the server, and so does everything that was never set. */
const projectPolicy = {
  onConflict: z.enum(['reject', 'replace']).nullable().meta({
    description: 'What CreateArtifact does when the name is taken.',
  }),
  strict: z.boolean().nullable().meta({
    description:
      'Jobs replace and delete only artifacts that they made themselves, and record a run only where no other does.',
  }),
  keepLatest: z.array(z.string().max(512)).max(limits.keepLatestMax).nullable().meta({
    description:
      'Globs of `BRANCH/NAME`: the latest artifact that each of them means does not expire before a newer one has come.',
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

/** A hundred years: beyond that a token's end is no date that can be written down. */
const tokenSecondsMax = 100 * 366 * 86_400

const jobName = z
  .string()
  .min(1)
  .refine((text) => text.isWellFormed(), 'must be valid Unicode')

const tokenScope = z.enum(['job', 'run', 'read', 'write', 'admin'])

export const tokenRequestSchema = z
  .strictObject({
    project: z.string().optional(),
    run: id.optional(),
    attempt: id.optional(),
    job: jobName.optional(),
    branch: z.string().optional(),
    sha: z.string().optional(),
    workflow: z.string().optional(),
    event: z.string().optional(),
    scope: tokenScope.optional(),
    expiresInSeconds: z.int().min(1).max(tokenSecondsMax).optional(),
  })
  .meta({ id: 'TokenRequest' })

export const idTokenRequestSchema = z
  .strictObject({
    idToken: z.string().max(limits.tokenCharactersMax).meta({
      description:
        "A JWT of an issuer that the server trusts, made out to the server's public URL.",
    }),
    job: jobName.optional().meta({ description: 'Needed where the ID token names no job.' }),
    scope: z.enum(['job', 'run']).optional(),
  })
  .meta({ id: 'IdTokenRequest' })

export const tokenSchema = z.object({ token: z.string(), expiresAt: instant }).meta({ id: 'Token' })

export const revocationRequestSchema = z
  .strictObject({
    token: z.string().max(limits.tokenCharactersMax).optional(),
    id: z.string().max(64).optional().meta({ description: 'Of a token that is listed.' }),
  })
  .refine(({ token, id }) => (token === undefined) !== (id === undefined), {
    message: 'give the token, or the id of one that is listed',
    path: ['token'],
  })
  .meta({ id: 'RevocationRequest' })

export const mintedTokenSchema = z
  .object({
    id: z.string().meta({ description: 'A digest of the token, which opens nothing.' }),
    project: z.string().nullable().meta({ description: "Null for an administrator's." }),
    scope: tokenScope,
    run: id.nullable(),
    job: z.string().nullable(),
    session: z.boolean().meta({ description: 'Of a browser.' }),
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
    project: z.string().nullable().meta({ description: 'Null for scope admin.' }),
    run: id.nullable(),
    attempt: id.nullable(),
    job: z.string().nullable(),
    session: z.boolean().meta({ description: 'Of a browser.' }),
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
    expiresAt: instant.meta({ description: 'When it would have ended.' }),
  })
  .meta({ id: 'RevokedToken' })

export const revokedTokensSchema = z
  .object({
    project: z.string(),
    issuedUntil: instant.meta({
      description: 'Tokens that were minted then or before are void; later ones are not.',
    }),
  })
  .meta({ id: 'RevokedTokens' })

export type WireStats = z.infer<typeof statsSchema>
export type WireCollection = z.infer<typeof collectionSchema>
export type WireScrubReport = z.infer<typeof scrubReportSchema>
export type WireBackupReport = z.infer<typeof backupReportSchema>
export type WireJob = z.infer<typeof jobSchema>
export type WireMintedToken = z.infer<typeof mintedTokenSchema>
export type WireMintedTokenList = z.infer<typeof mintedTokenListSchema>
export type WireCurrentToken = z.infer<typeof currentTokenSchema>
export type WireRevokedToken = z.infer<typeof revokedTokenSchema>
export type WireRevokedTokens = z.infer<typeof revokedTokensSchema>
export type WireToken = z.infer<typeof tokenSchema>
export type WireProject = z.infer<typeof projectSchema>
