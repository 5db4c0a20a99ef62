/** The audit log in its wire form. */
import { z } from 'zod'
import { actKinds } from '../core/audit.ts'
import { projectPolicySchema } from './admin-messages.ts'
import { actorSchema, cursor, id, instant } from './fields.ts'

const detailsSchema = z
  .object({
    run: id,
    job: z.string(),
    expiresAt: instant,
    replacedBy: id.meta({ description: 'The artifact that has the name now.' }),
    before: projectPolicySchema,
    after: projectPolicySchema.meta({ description: 'Those settings that changed.' }),
    token: z.object({
      id: z.string(),
      scope: z.string(),
      run: id.nullable(),
      job: z.string().nullable(),
      expiresAt: instant,
    }),
    issuedUntil: instant,
    now: z.boolean(),
    destination: z.string(),
    path: z.string().meta({ description: 'Of the file that secrets stand in.' }),
  })
  .partial()
  .meta({ description: 'What else there is to tell, by its kind.' })

export const actSchema = z
  .object({
    id,
    at: instant,
    kind: z.enum(actKinds),
    project: z.string().nullable(),
    artifactIds: z.array(id).meta({
      description: 'All that it was done to. What is done to many at once is several acts.',
    }),
    artifacts: z
      .array(z.object({ id, name: z.string(), run: id }))
      .meta({ description: 'The first of them, as far as they are remembered.' }),
    details: detailsSchema,
    by: actorSchema
      .extend({
        tokenIds: z.array(z.string()).meta({
          description:
            'Of the token and of those that it came of, its own first. An id is a digest and opens nothing.',
        }),
        origin: z.enum(['api', 'page', 'github']),
      })
      .nullable()
      .meta({ description: 'Null: whoever had the token that was revoked.' }),
  })
  .meta({ id: 'Act' })

export const auditSchema = z
  .object({ items: z.array(actSchema), nextCursor: cursor })
  .meta({ id: 'Audit' })

export type WireActor = z.infer<typeof actorSchema>
export type WireAct = z.infer<typeof actSchema>
export type WireAudit = z.infer<typeof auditSchema>
