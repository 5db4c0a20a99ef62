/** The wire form of comparisons. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'
import { bytes, count, cursor } from './fields.ts'
import { artifactSchema, entrySchema } from './messages.ts'

export const differenceSchema = z
  .object({
    kind: z.enum(['added', 'removed', 'changed', 'moved', 'mode']).meta({
      description:
        '`moved`: the same digest under another path. `mode`: only the permission bits differ.',
    }),
    path: z.string(),
    from: z.string().nullable().meta({ description: 'The path in base; null unless moved.' }),
    before: entrySchema.nullable(),
    after: entrySchema.nullable(),
  })
  .meta({ id: 'Difference' })

const growthSchema = z
  .object({
    directories: z.array(z.object({ directory: z.string(), bytes: z.int(), files: count })).meta({
      description:
        'The twelve with the largest change, at most three levels deep; `/` is the root.',
    }),
    paths: z.array(differenceSchema).meta({ description: 'The twelve with the largest change.' }),
    cause: z
      .object({ directory: z.string(), share: z.number().min(0).max(1) })
      .nullable()
      .meta({
        description:
          'The directory, at most two levels deep, that accounts for most of the growth, and its share.',
      }),
  })
  .meta({
    id: 'Growth',
    description:
      'Attributes the change in bytes to directories and files. Covers all differences, listed or not.',
  })

const comparison = {
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
    description: `False when more than ${limits.compareDifferencesMax} entries differ, or their paths have more than ${limits.comparePathCharactersMax} characters: the totals count all, but only the first are listed.`,
  }),
  growth: growthSchema,
}

export const comparisonSchema = z
  .object({ ...comparison, items: z.array(differenceSchema), nextCursor: cursor })
  .meta({ id: 'Comparison' })

export const comparisonHeadSchema = z
  .object({
    ...comparison,
    differences: count.meta({ description: 'Number of lines that follow.' }),
  })
  .meta({ id: 'ComparisonHead' })

export const comparisonLineSchema = z.union([comparisonHeadSchema, differenceSchema]).meta({
  id: 'ComparisonLine',
  description: 'The first line is the head, each further line a difference.',
})

export type WireComparison = z.infer<typeof comparisonSchema>
export type WireComparisonHead = z.infer<typeof comparisonHeadSchema>
export type WireDifference = z.infer<typeof differenceSchema>
