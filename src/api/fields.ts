/** Fields that many messages have. */
import { z } from 'zod'

export const bytes = z.int().min(0)
export const count = z.int().min(0)
export const id = z.int().min(1)
export const instant = z.iso.datetime()
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
export const cursor = z
  .string()
  .nullable()
  .meta({ description: 'Give it as `cursor` to go on; null at the end.' })
/** What is told of a run with an upload; an empty text tells nothing. */
export const facts = {
  branch: z.string().optional(),
  sha: z.string().optional(),
  workflow: z.string().optional(),
  event: z.string().optional(),
}

/** Who did something, as everybody may know who can read what it was done to. */
export const actorSchema = z
  .object({
    kind: z.enum(['job', 'person', 'administrator']).meta({
      description: 'By the scope of the token: job and run, read and write, admin.',
    }),
    run: id.nullable(),
    job: z.string().nullable(),
  })
  .meta({ id: 'Actor' })
