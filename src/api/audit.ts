/** The audit log in its wire form. */
import * as z from 'zod'
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
    after: projectPolicySchema.meta({ description: 'The settings that changed.' }),
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
    jobKind: z.string().meta({ description: 'Kind of the maintenance job that was cancelled.' }),
    provider: z.string().meta({ description: 'Host of the provider of single sign-on.' }),
    with: z.enum(['token', 'link']).meta({ description: 'What else a browser signed in with.' }),
    reason: z.string().meta({ description: 'Why the sign-in was refused.' }),
    unrecorded: z.int().meta({
      description:
        'How many more sign-ins were accepted or refused before, beyond what is recorded per hour.',
    }),
    path: z.string().meta({ description: 'Path of the file with the secrets.' }),
  })
  .partial()
  .meta({ description: 'Further facts; which ones depends on the kind.' })

export const actSchema = z
  .object({
    id,
    at: instant,
    kind: z.enum(actKinds),
    project: z.string().nullable(),
    artifactIds: z.array(id).meta({
      description: 'All artifacts affected. A change to very many is split into several entries.',
    }),
    artifacts: z
      .array(z.object({ id, name: z.string(), run: id }))
      .meta({ description: 'The first of them, as far as they are still recorded.' }),
    details: detailsSchema,
    by: actorSchema
      .extend({
        tokenIds: z.array(z.string()).meta({
          description:
            'Ids of the token and its ancestors, its own first. An id is a digest and grants no access.',
        }),
        origin: z.enum(['api', 'page', 'github']),
      })
      .nullable()
      .meta({
        description:
          'Null: the holder of the revoked token, or somebody whose sign-in was refused.',
      }),
  })
  .meta({ id: 'Act' })

export const auditSchema = z
  .object({ items: z.array(actSchema), nextCursor: cursor })
  .meta({ id: 'Audit' })

export type WireAct = z.infer<typeof actSchema>
