/** The wire form of the history of a file. */
import * as z from 'zod'
import { count, cursor } from './fields.ts'
import { artifactSchema, entrySchema } from './messages.ts'

export const historySchema = z
  .object({
    path: z.string(),
    items: z.array(
      z
        .object({
          entry: entrySchema.nullable().meta({
            description: 'A file or symlink; null if the artifacts have neither at the path.',
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

export type WireFileVersion = z.infer<typeof historySchema>['items'][number]
