/** The wire form of the sizes of a directory. */
import * as z from 'zod'
import { bytes, count } from './fields.ts'

export const directorySizesSchema = z
  .object({
    path: z.string(),
    files: count,
    sizeBytes: bytes,
    children: z
      .array(
        z
          .object({
            kind: z.enum(['file', 'directory']),
            path: z.string(),
            files: count,
            sizeBytes: bytes,
          })
          .meta({ id: 'MeasuredChild' }),
      )
      .meta({ description: 'Largest first. What has no files is left out.' }),
    others: z
      .object({ children: count, files: count, sizeBytes: bytes })
      .meta({ description: 'The sum of the children beyond `limit`.' }),
  })
  .meta({ id: 'DirectorySizes' })

export type WireDirectorySizes = z.infer<typeof directorySizesSchema>
