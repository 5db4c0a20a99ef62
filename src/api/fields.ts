/** Fields shared by many messages. */
import { z } from 'zod'

export const bytes = z.int().min(0)
export const count = z.int().min(0)
export const id = z.int().min(1)
export const instant = z.iso.datetime()
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
export const cursor = z
  .string()
  .nullable()
  .meta({ description: 'Pass it as `cursor` to get the next page; null at the end.' })
/** Facts of a run that an upload can carry; an empty text counts as absent. */
export const facts = {
  branch: z.string().optional(),
  sha: z.string().optional(),
  workflow: z.string().optional(),
  event: z.string().optional(),
}

/** Who did something, as shown to everybody who can read the object of the action. */
export const actorSchema = z
  .object({
    kind: z.enum(['job', 'person', 'administrator']).meta({
      description: 'Derived from the scope of the token: job and run, read and write, admin.',
    }),
    run: id.nullable(),
    job: z.string().nullable(),
  })
  .meta({ id: 'Actor' })
