/** The native wire contract: schemas that the server validates with, that clients infer their types from, and that
 *  `/openapi.json` is generated from. This file has artifacts, their entries, and what is done with them;
 *  comparison-messages.ts has how two differ, admin-messages.ts what operators ask. Digests are `sha256:<hex>`, instants ISO 8601 in UTC, sizes whole bytes. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { actorSchema, bytes, count, cursor, digest, id, instant } from './fields.ts'

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
    keptLatest: z.boolean().meta({
      description: 'Does not expire as long as it is the latest of its name on its branch.',
    }),
    opaqueReason: z.string().nullable(),
    secrets: count.nullable().meta({
      description:
        'Credentials that were found in it and that nobody dismissed; null while it was not looked at.',
    }),
    removedAt: instant.nullable(),
    removedReason: z.string().nullable(),
    removedBy: actorSchema.nullable().meta({
      description: 'Null while it is live, where its time ended it, and where that is forgotten.',
    }),
    links: linksSchema,
  })
  .meta({ id: 'Artifact' })

const sharedBytes = bytes.meta({
  description: 'Pack bytes of its contents that others hold too, and that stay if it goes.',
})

export const artifactDetailSchema = artifactSchema
  .extend({
    exclusiveBytes: bytes.meta({
      description: 'Pack bytes that come back if it goes: what no other artifact holds.',
    }),
    sharedBytes,
    sameTree: count.optional().meta({
      description:
        'Other live artifacts of its project with the same tree digest; absent where the token reads only a run.',
    }),
    keptReason: z.string().meta({
      description:
        'Why it is there for as long as it is, in words, such as `90 days from its upload, the default`.',
    }),
    expiresInSecondsMax: count.meta({
      description: 'The longest that can be asked for from now: what is beyond ends then.',
    }),
    previous: artifactSchema
      .pick({ id: true, run: true, attempt: true, createdAt: true, logicalBytes: true })
      .nullable()
      .optional()
      .meta({
        description:
          'The newest of its name before it, on its branch, that another run made; null where none is there, absent where the token reads only a run.',
      }),
    damagedFiles: z.array(z.string()).meta({
      description:
        'Paths whose stored bytes are bad, at most 1,000; the other files stay readable.',
    }),
  })
  .meta({ id: 'ArtifactDetail' })

/** With its details unless they were not wanted. */
export const artifactAnswerSchema = artifactDetailSchema
  .or(artifactSchema)
  .meta({ id: 'ArtifactAnswer' })

export const artifactListSchema = z
  .object({ items: z.array(artifactSchema), nextCursor: cursor, total: count })
  .meta({ id: 'ArtifactList' })

/** Without a total: counting what holds a file would look at all of it. */
export const holderListSchema = z
  .object({
    items: z.array(
      artifactSchema
        .extend({
          path: z.string().nullable().meta({
            description:
              'The first place of the file in it; null where that would take long to find.',
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
  modifiedAt: instant.nullable().meta({ description: 'Null where the upload carried none.' }),
}

export const entrySchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('file'), ...entryBase, sizeBytes: bytes, digest }),
    z.object({ kind: z.literal('directory'), ...entryBase }),
    z.object({ kind: z.literal('symlink'), ...entryBase, target: z.string() }),
  ])
  .meta({ id: 'Entry' })

export const historySchema = z
  .object({
    path: z.string(),
    items: z.array(
      z
        .object({
          entry: entrySchema.nullable().meta({
            description: 'A file or symlink; null where the artifacts have neither at the path.',
          }),
          newest: artifactSchema,
          oldest: artifactSchema.meta({ description: 'The artifact in which it appeared.' }),
          artifacts: count.meta({ description: 'Consecutive artifacts with this version.' }),
        })
        .meta({ id: 'FileVersion' }),
    ),
    nextCursor: cursor,
  })
  .meta({ id: 'FileHistory' })

export const searchMatchSchema = z
  .object({
    reference: z.string().meta({
      description: 'Of the artifact; with `:` and the path it names the entry in commands.',
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
      'The last line says where to go on, every other one is a match. Without it the answer broke off.',
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
      .meta({ description: 'From now by the clock of the server, in place of `expiresAt`.' }),
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
    { message: 'give expiresAt or expiresInSeconds' },
  )
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
    sharedBytes,
    undoUntil,
    dryRun: z.boolean(),
  })
  .meta({ id: 'BulkDeletion' })

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

export type WireProblem = z.infer<typeof problemSchema>
export type WireArtifact = z.infer<typeof artifactSchema>
export type WireArtifactDetail = z.infer<typeof artifactDetailSchema>
export type WireArtifactList = z.infer<typeof artifactListSchema>
export type WireHolder = WireHolderList['items'][number]
export type WireHolderList = z.infer<typeof holderListSchema>
export type WireFileHistory = z.infer<typeof historySchema>
export type WireFileVersion = WireFileHistory['items'][number]
export type WireEntry = z.infer<typeof entrySchema>
export type WireSearchMatch = z.infer<typeof searchMatchSchema>
export type WireSearchLine = z.infer<typeof searchLineSchema>
export type WireDirectoryPage = z.infer<typeof directoryPageSchema>
export type WireBulkDeletion = z.infer<typeof bulkDeletionSchema>
