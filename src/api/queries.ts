/** Query parameters of the native API. They arrive as text; each schema reads and bounds them. Unknown parameters are
 *  refused, because a filter that is silently ignored shows, or deletes, too much. */
import { z } from 'zod'
import { actKinds } from '../core/audit.ts'
import { limits } from '../core/limits.ts'
import { facts, instant } from './fields.ts'
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

/** A larger wish gets the largest page, and a cursor for the rest. */
const limit = z
  .string()
  .regex(/^[1-9][0-9]{0,15}$/, 'must be a positive whole number')
  .transform((text) => Math.min(Number(text), limits.listPageMax))
  .pipe(z.int().min(1).max(limits.listPageMax))

const paging = {
  limit: limit.default(limits.listPageDefault),
  cursor: z.string().max(8192).optional(),
}

const project = z
  .string()
  .optional()
  .meta({ description: 'OWNER/REPO; that of the token when absent.' })

/** What artifacts can be narrowed to. */
const artifactFilter = {
  project,
  run: identifier.optional(),
  name: z.string().optional(),
  branch: z.string().optional(),
  workflow: z.string().optional(),
  since: instant.optional().meta({ description: 'Only what was uploaded then or later.' }),
}

export const artifactListQuery = z.strictObject({
  ...artifactFilter,
  latestOf: z.string().optional().meta({
    description:
      'Made on this branch, and not by a pull request: the newest of them is what `latest:BRANCH/NAME` means.',
  }),
  state: z
    .enum([...artifactStateSchema.options, 'any'])
    .optional()
    .meta({ description: 'Available and damaged when absent.' }),
  secrets: flag.default(false).meta({
    description: 'Only those that hold credentials which nobody dismissed.',
  }),
  sort: z.enum(['newest', 'oldest', 'largest', 'expiring']).default('newest'),
  ...paging,
})

export const searchQuery = z.strictObject({
  path: z.string().min(1).meta({
    description:
      'A glob that whole paths are to match: `*` stays within a segment, `**` crosses them.',
  }),
  ...artifactFilter,
  ...paging,
})

export const artifactQuery = z.strictObject({
  brief: flag.default(false).meta({
    description:
      'Leaves out what only the detail of an artifact has, some of which takes time where there are many files.',
  }),
})

export const holdersQuery = z.strictObject({
  project,
  ...paging,
})

export const manifestQuery = z.strictObject({
  under: z.string().optional().meta({ description: 'Only this path and what lies below it.' }),
  limit: limit.optional().meta({ description: 'Asks for one page of JSON in place of NDJSON.' }),
  cursor: paging.cursor,
})

export const directoryQuery = z.strictObject({
  path: z.string().default('').meta({ description: 'The directory; absent for the root.' }),
  ...paging,
})

export const historyQuery = z.strictObject({
  path: z.string().min(1).meta({ description: 'The file.' }),
  ...paging,
})

export const attestationQuery = z.strictObject({
  path: z.string().default('').meta({
    description: 'One entry, with what lies below it; absent for all, and the zip.',
  }),
})

export const fileQuery = z.strictObject({
  download: flag
    .default(false)
    .meta({ description: 'Offers the file for saving under its own name.' }),
})

export const archiveQuery = z.strictObject({
  path: z.string().min(1).optional().meta({
    description:
      'Only paths that this glob matches: `*` stays within a segment, `**` crosses them.',
  }),
})

export const runArchiveQuery = z.strictObject({
  project,
})

export const runQuery = z.strictObject({
  project,
  attempt: identifier.optional().meta({ description: 'The newest when absent.' }),
})

export const recordQuery = z.strictObject({
  attempt: identifier.optional().meta({ description: "The token's when absent." }),
})

export const uploadQuery = z.strictObject({
  filename: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'Name of the single file; the artifact name when absent.' }),
  retentionDays: integer(0, 36_500).optional().meta({ description: '0 is the default.' }),
  overwrite: flag.default(false),
  attempt: identifier.optional(),
  job: z.string().min(1).max(255).optional(),
  ...facts,
})

export const deletionQuery = z.strictObject({
  dryRun: flag.default(false).meta({ description: 'Only says what would come back.' }),
})

export const runDeletionQuery = z.strictObject({
  project,
  ...deletionQuery.shape,
})

export const auditQuery = z.strictObject({
  project: z
    .string()
    .optional()
    .meta({ description: 'OWNER/REPO; that of the token when absent, or all of them.' }),
  kind: z.enum(actKinds).optional(),
  since: instant.optional().meta({ description: 'Only what was done then or later.' }),
  artifact: identifier.optional().meta({ description: 'Only what was done to this one.' }),
  ...paging,
})

export const tokenListQuery = z.strictObject({
  project: z
    .string()
    .optional()
    .meta({ description: 'OWNER/REPO; that of the token when absent, or all of them.' }),
  ...paging,
})

export const statsQuery = z.strictObject({ project: z.string().optional() })

export const compareQuery = z.strictObject({
  base: z.string(),
  head: z.string(),
  project: z
    .string()
    .optional()
    .meta({ description: 'Completes references that name no project.' }),
  ...paging,
})

/** `TROVE_MAX_ENTRIES` decides; this is the most that it can be. */
const entryCount = integer(0, 10_000_000).meta({ description: 'Entries of the manifest.' })

export const manifestOfferQuery = z.strictObject({
  tree: z.string().meta({ description: 'The tree digest of the manifest.' }),
  entries: entryCount,
  base: z.string().optional().meta({
    description:
      'The digest of a tree that the project has: the body says what is different from it.',
  }),
})

export const timesOfferQuery = z.strictObject({ entries: entryCount })

export const treeQuery = z.strictObject({
  base: identifier.optional().meta({
    description: 'An artifact whose tree is at hand. Without effect when it is there no more.',
  }),
})

export const artifactFetchQuery = z.strictObject({ artifact: identifier })
