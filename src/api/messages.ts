/** The native wire contract: schemas that the server validates with, that clients infer their
 *  types from, and that `/openapi.json` is generated from. This file has artifacts, their
 *  entries, and operations on them; the files beside it have the rest. Digests are
 *  `sha256:<hex>`, instants ISO 8601 in UTC, sizes whole bytes. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'
import { actorSchema, bytes, count, cursor, digest, id, instant, runFacts } from './fields.ts'

export const artifactStateSchema = z.enum(['available', 'damaged', 'expired', 'deleted'])

const artifactKindSchema = z.enum(['exact', 'opaque', 'raw', 'tree']).meta({
  description:
    'How the artifact was uploaded: `exact`, a zip that is returned byte for byte; `opaque`, a zip kept whole because it ' +
    'cannot be taken apart; `raw`, one file; `tree`, entries of a tar or of the native client, whose zip is generated.',
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
    ...runFacts,
    state: artifactStateSchema,
    kind: artifactKindSchema,
    mimeType: z.string(),
    files: count,
    logicalBytes: bytes,
    newBytes: bytes.meta({ description: 'Pack bytes that this upload added.' }),
    treeDigest: digest.meta({
      description:
        'Digest of the manifest: covers the entries, but not their times or the archive format.',
    }),
    zipDigest: digest
      .nullable()
      .meta({ description: 'Digest of `archive.zip`, if known without building it.' }),
    zipBytes: bytes,
    tarGzBytes: bytes,
    createdAt: instant,
    expiresAt: instant,
    pinned: z.boolean(),
    keptLatest: z.boolean().meta({
      description:
        'True while it is kept as the latest of its name on its branch: it does not expire.',
    }),
    opaqueReason: z.string().nullable(),
    secrets: count.nullable().meta({
      description:
        'Number of credentials found that were not dismissed; null until it is searched, and for callers that read it only because its project is public.',
    }),
    removedAt: instant.nullable(),
    removedReason: z.string().nullable(),
    removedBy: actorSchema.nullable().meta({
      description:
        'Null while it is live, when it expired, when the record is gone, and for callers that read it only because its project is public.',
    }),
    links: linksSchema,
  })
  .meta({ id: 'Artifact' })

const sharedBytes = bytes.meta({
  description: 'Pack bytes that other artifacts hold too, which deleting this one does not free.',
})

const expiresInSecondsMax = count.meta({
  description: 'The longest expiry that can be requested from now; longer ones are reduced to it.',
})

/** An artifact after a change of its retention. */
export const retainedArtifactSchema = artifactSchema
  .extend({ expiresInSecondsMax })
  .meta({ id: 'RetainedArtifact' })

export const artifactDetailSchema = artifactSchema
  .extend({
    exclusiveBytes: bytes.meta({
      description: 'Pack bytes that no other artifact holds, which deleting this one frees.',
    }),
    sharedBytes,
    sameTree: count.optional().meta({
      description:
        'Other live artifacts of the project with the same tree digest; absent if the token can read only its run.',
    }),
    keptReason: z.string().meta({
      description:
        'Why it is kept until it expires, in words, such as `90 days from its upload, the default`.',
    }),
    expiresInSecondsMax,
    previous: artifactSchema
      .pick({ id: true, run: true, attempt: true, createdAt: true, logicalBytes: true })
      .nullable()
      .optional()
      .meta({
        description:
          'The newest earlier artifact of its name, on its branch, by another run; null if there is none, absent if the token can read only its run.',
      }),
    damagedFiles: z.array(z.string()).meta({
      description:
        'Paths whose stored bytes are damaged, at most 1,000; other files are still readable.',
    }),
  })
  .meta({ id: 'ArtifactDetail' })

/** Includes the details unless `brief` was requested. */
export const artifactAnswerSchema = artifactDetailSchema
  .or(artifactSchema)
  .meta({ id: 'ArtifactAnswer' })

export const artifactListSchema = z
  .object({ items: z.array(artifactSchema), nextCursor: cursor, total: count })
  .meta({ id: 'ArtifactList' })

/** Has no total: counting the holders of a file would read all of them. */
export const holderListSchema = z
  .object({
    items: z.array(
      artifactSchema
        .extend({
          path: z.string().nullable().meta({
            description: 'The first path of the file in it; null when it would take long to find.',
          }),
        })
        .meta({ id: 'Holder' }),
    ),
    nextCursor: cursor,
  })
  .meta({ id: 'HolderList' })

const mode = z
  .string()
  .regex(/^0[0-7]{3}$/)
  .meta({ description: 'Nine permission bits, octal.' })
const entryBase = {
  path: z.string(),
  mode,
  modifiedAt: instant.nullable().meta({ description: 'Null if the upload carried none.' }),
}

export const entrySchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('file'), ...entryBase, sizeBytes: bytes, digest }),
    z.object({ kind: z.literal('directory'), ...entryBase }),
    z.object({ kind: z.literal('symlink'), ...entryBase, target: z.string() }),
  ])
  .meta({ id: 'Entry' })

export const searchMatchSchema = z
  .object({
    reference: z.string().meta({
      description:
        'Reference of the artifact; followed by `:` and the path it names the entry in commands.',
    }),
    artifact: artifactSchema.pick({
      id: true,
      name: true,
      project: true,
      run: true,
      attempt: true,
      branch: true,
      sha: true,
      workflow: true,
      event: true,
      createdAt: true,
    }),
    entry: entrySchema,
  })
  .meta({ id: 'SearchMatch' })

export const searchLineSchema = z
  .union([searchMatchSchema, z.object({ nextCursor: cursor }).meta({ id: 'SearchEnd' })])
  .meta({
    id: 'SearchLine',
    description:
      'Every line is a match, except the last, which has the cursor to continue from. Without it the response was truncated.',
  })

export const manifestPageSchema = z
  .object({ items: z.array(entrySchema), nextCursor: cursor })
  .meta({ id: 'ManifestPage' })

export const directoryPageSchema = z
  .object({ path: z.string(), items: z.array(entrySchema), nextCursor: cursor })
  .meta({ id: 'DirectoryPage' })

export const retentionChangeSchema = z
  .strictObject({
    expiresAt: instant.optional(),
    expiresInSeconds: count
      .optional()
      .meta({ description: "Relative to the server's clock; an alternative to `expiresAt`." }),
    pinned: z.boolean().optional(),
    dryRun: z.boolean().default(false),
  })
  .refine(
    ({ expiresAt, expiresInSeconds, pinned }) =>
      [expiresAt, expiresInSeconds, pinned].some((each) => each !== undefined),
    { message: 'give expiresAt, expiresInSeconds or pinned' },
  )
  .refine(
    ({ expiresAt, expiresInSeconds }) => expiresAt === undefined || expiresInSeconds === undefined,
    { message: 'give expiresAt or expiresInSeconds, not both' },
  )
  .meta({ id: 'RetentionChange' })

const freedBytes = bytes.meta({
  description: 'Pack bytes that garbage collection will free, as nothing else holds them.',
})
const undoUntil = instant
  .nullable()
  .meta({ description: 'Until when it can be undone; null after a dry run.' })

export const deletionSchema = z
  .object({
    id,
    state: artifactStateSchema,
    deletedAt: instant.nullable(),
    undoUntil,
    freedBytes,
    sharedBytes,
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
        { message: 'filter by run, name, branch or createdBefore' },
      )
      .optional()
      .meta({
        description:
          'Leaves out artifacts that somebody keeps, and with `createdBefore` also those kept as the latest; name them by id.',
      }),
    dryRun: z.boolean().default(false),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), {
    message: 'give either ids or filter',
  })
  .meta({ id: 'BulkDeletionRequest' })

export const bulkDeletionSchema = z
  .object({
    items: z.array(z.object({ id, name: z.string(), run: id, attempt: id, logicalBytes: bytes })),
    freedBytes,
    sharedBytes,
    undoUntil,
    dryRun: z.boolean(),
  })
  .meta({ id: 'BulkDeletion' })

/** RFC 9457, with an error code for programs and whether a retry can help. */
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

export type WireProblem = z.infer<typeof problemSchema>
export type WireArtifact = z.infer<typeof artifactSchema>
export type WireArtifactDetail = z.infer<typeof artifactDetailSchema>
export type WireRetainedArtifact = z.infer<typeof retainedArtifactSchema>
export type WireArtifactList = z.infer<typeof artifactListSchema>
export type WireHolder = WireHolderList['items'][number]
export type WireHolderList = z.infer<typeof holderListSchema>
export type WireEntry = z.infer<typeof entrySchema>
export type WireSearchMatch = z.infer<typeof searchMatchSchema>
export type WireSearchLine = z.infer<typeof searchLineSchema>
export type WireBulkDeletion = z.infer<typeof bulkDeletionSchema>
