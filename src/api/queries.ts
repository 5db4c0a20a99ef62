/** Query parameters of the native API. They arrive as text; each schema parses and bounds one.
 *  Unknown parameters are rejected, because a filter that is silently ignored shows, or deletes,
 *  too much. */
import * as z from 'zod'
import { actKinds, tokenIdRule, tokenIdStart } from '../core/audit.ts'
import { limits } from '../core/limits.ts'
import { instant, toldFacts } from './fields.ts'
import { artifactStateSchema } from './messages.ts'

function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^[0-9]{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

const identifier = integer(1, Number.MAX_SAFE_INTEGER)

/** Absent is false; a bare `?flag` is true. */
const flag = z
  .enum(['', '1', 'true', '0', 'false'])
  .transform((text) => text !== '0' && text !== 'false')
  .pipe(z.boolean())

/** Values above the maximum page size are reduced to it; the cursor leads to the rest. */
const limit = z
  .string()
  .regex(/^[1-9][0-9]{0,15}$/, 'must be a positive whole number')
  .transform((text) => Math.min(Number(text), limits.listPageMax))
  .pipe(z.int().min(1).max(limits.listPageMax))

const paging = {
  limit: limit.default(limits.listPageDefault),
  cursor: z.string().max(8192).optional(),
}

function text(description: string) {
  return z.string().optional().meta({ description })
}

const project = text("OWNER/REPO; defaults to the token's project.")
const projects = text('OWNER/REPO; defaults to all projects that the token is for.')
const projectOrAll = text("OWNER/REPO; defaults to the token's project, else to all projects.")

/** Filters of artifacts. */
const artifactFilter = {
  project: projects,
  run: identifier.optional(),
  name: z.string().optional(),
  branch: z.string().optional(),
  workflow: z.string().optional(),
  pullRequest: identifier
    .optional()
    .meta({ description: 'Number of the pull request that the run is about.' }),
  actor: text('Login of whoever started the run; case-insensitive.'),
  since: instant
    .optional()
    .meta({ description: 'Only artifacts uploaded at or after this instant.' }),
}

export const artifactListQuery = z.strictObject({
  ...artifactFilter,
  latestOf: text(
    'Only artifacts made on this branch, and not by a pull request; `latest:BRANCH/NAME` means the newest of them.',
  ),
  state: z
    .enum([...artifactStateSchema.options, 'any'])
    .optional()
    .meta({ description: 'Defaults to available and damaged.' }),
  secrets: flag.default(false).meta({
    description: 'Only artifacts with credentials that were not dismissed.',
  }),
  sort: z.enum(['newest', 'oldest', 'largest', 'expiring']).default('newest'),
  ...paging,
})

export const searchQuery = z.strictObject({
  path: z.string().min(1).meta({
    description:
      'A glob that must match the whole path: `*` stays within a segment, `**` crosses segments.',
  }),
  ...artifactFilter,
  ...paging,
})

export const artifactQuery = z.strictObject({
  brief: flag.default(false).meta({
    description:
      'Omits the fields that only the detail has; some take time for artifacts with many files.',
  }),
})

export const holdersQuery = z.strictObject({
  project: projects,
  ...paging,
})

export const manifestQuery = z.strictObject({
  under: text('Only this path and everything below it.'),
  limit: limit.optional().meta({ description: 'Returns one page as JSON instead of NDJSON.' }),
  cursor: paging.cursor,
})

export const directoryQuery = z.strictObject({
  path: z.string().default('').meta({ description: 'The directory; defaults to the root.' }),
  ...paging,
})

export const sizesQuery = z.strictObject({
  path: z
    .string()
    .default('')
    .meta({ description: 'A directory, or a file; defaults to the root.' }),
  limit: paging.limit,
})

export const historyQuery = z.strictObject({
  path: z.string().min(1).meta({ description: 'The file.' }),
  ...paging,
})

export const attestationQuery = z.strictObject({
  path: z.string().default('').meta({
    description: 'One entry and everything below it; defaults to all entries and the zip.',
  }),
})

export const fileQuery = z.strictObject({
  download: flag
    .default(false)
    .meta({ description: 'Sends the file as an attachment under its own name.' }),
  se: text('Of a signed URL: when it expires, in seconds since 1970.'),
  by: text('Of a signed URL: whose token signed it.'),
  sig: text('Of a signed URL: its signature, in place of a token.'),
})

export const signedUrlQuery = z.strictObject({
  path: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'A file of the artifact; defaults to the whole artifact.' }),
})

export const jobListQuery = z.strictObject(paging)

/** The query of requests that carry their other parameters in the body. */
export const bodyQuery = z.strictObject({ dryRun: flag.default(false) })

/** The body of requests that their path says whole. */
export const noFields = z.strictObject({})

const intact = flag.default(false).meta({
  description:
    'Leaves out damaged files. Without it, an archive with such files fails with `blob_damaged`.',
})

export const archiveQuery = z.strictObject({
  path: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'Only paths that this glob matches: `*` stays within a segment, `**` crosses segments; without wildcards also all ' +
        'below the directory that it names. ' +
        'Fails with `no_files` when none does.',
    }),
  intact,
})

export const runArchiveQuery = z.strictObject({
  project,
  intact,
})

export const runQuery = z.strictObject({
  project,
  attempt: identifier.optional().meta({ description: 'Defaults to the newest attempt.' }),
})

export const recordQuery = z.strictObject({
  attempt: identifier.optional().meta({ description: "Defaults to the token's attempt." }),
})

export const uploadQuery = z.strictObject({
  filename: z.string().min(1).optional().meta({
    description:
      'Name of the single file; defaults to the artifact name. Required for an empty file, which also needs `Content-Length: 0`.',
  }),
  retentionDays: integer(0, 36_500).optional().meta({ description: '0 means the default.' }),
  overwrite: flag.default(false),
  attempt: identifier.optional(),
  job: z.string().min(1).max(255).optional(),
  ...toldFacts,
  ordinal: identifier.optional().meta(toldFacts.ordinal.meta()!),
  pullRequest: identifier.optional().meta(toldFacts.pullRequest.meta()!),
})

export const deletionQuery = z.strictObject({
  dryRun: flag.default(false).meta({ description: 'Only reports what would be freed.' }),
})

export const runDeletionQuery = z.strictObject({
  project,
  ...deletionQuery.shape,
  includeKept: flag.default(false).meta({
    description: 'Also deletes kept artifacts. Without it, one of them prevents the deletion.',
  }),
})

export const auditQuery = z.strictObject({
  project: projectOrAll,
  kind: z.enum(actKinds).optional(),
  since: instant.optional().meta({ description: 'Only entries at or after this instant.' }),
  artifact: identifier.optional().meta({ description: 'Only entries about this artifact.' }),
  token: z.string().regex(tokenIdStart, tokenIdRule).optional().meta({
    description:
      'Beginning of the id of a token: only what it did, what tokens made with it did, and what was done to it.',
  }),
  ...paging,
})

export const tokenListQuery = z.strictObject({
  project: projectOrAll,
  ...paging,
})

export const projectOrders = ['name', 'artifacts', 'size', 'unique'] as const

export const projectListQuery = z.strictObject({
  name: text('Only projects whose name contains this text; case-insensitive.'),
  sort: z
    .enum(projectOrders)
    .default('name')
    .meta({ description: 'By name, or the largest first by this figure.' }),
  ...paging,
})

export const statsQuery = z.strictObject({ project: z.string().optional() })

export const compareQuery = z.strictObject({
  base: z.string(),
  head: z.string(),
  project: text('Project of references that name none.'),
  ...paging,
})

/** The highest value that `TROVE_MAX_ENTRIES` can have; the actual limit is the setting. */
const entryCount = integer(0, 10_000_000).meta({
  description: 'Number of entries of the manifest.',
})

export const manifestOfferQuery = z.strictObject({
  tree: z.string().meta({ description: 'The tree digest of the manifest.' }),
  entries: entryCount,
  base: text(
    'The digest of a tree that the project has: the body then contains the changes from it.',
  ),
})

export const timesOfferQuery = z.strictObject({ entries: entryCount })

export const treeQuery = z.strictObject({
  base: identifier.optional().meta({
    description: 'An artifact whose tree the client has. Ignored if the artifact no longer exists.',
  }),
})

export const artifactFetchQuery = z.strictObject({ artifact: identifier })
