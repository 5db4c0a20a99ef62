/** The JSON messages of the negotiated upload; negotiation.ts has their order. */
import * as z from 'zod'
import { count, digest, id, toldFacts } from './fields.ts'
import { artifactSchema } from './messages.ts'

export const offerSchema = z
  .strictObject({
    project: z.string(),
    run: id,
    attempt: id.optional(),
    job: z.string().min(1).max(255).optional(),
    name: z.string(),
    treeDigest: digest,
    base: digest.optional().meta({
      description: 'Digest of a tree that the client has cached from an earlier upload.',
    }),
    entryCount: count,
    fileCount: count,
    logicalBytes: count,
    timesDigest: digest.meta({
      description: 'SHA-256 over the encoded pages of modification times, in order.',
    }),
    retentionDays: z.int().min(0).max(36_500).optional(),
    overwrite: z.boolean().default(false),
    ...toldFacts,
  })
  .meta({ id: 'Offer' })

/** Where an upload would go, before its tree is known. */
export const uploadCheckSchema = offerSchema
  .pick({ project: true, run: true, attempt: true, job: true, name: true, overwrite: true })
  .meta({ id: 'UploadCheck' })

export const offerAnswerSchema = z
  .discriminatedUnion('state', [
    z.object({
      state: z.literal('done'),
      created: z.boolean().meta({ description: 'False if the artifact already existed.' }),
      artifact: artifactSchema,
    }),
    z.object({
      state: z.literal('open'),
      id: z.string(),
      needs: z.enum(['manifest', 'changes', 'times']).meta({
        description:
          '`changes`: the base is known, so its differences suffice. `times`: the tree is known, its times are not.',
      }),
    }),
  ])
  .meta({ id: 'OfferAnswer' })

export const commitAnswerSchema = z
  .object({ created: z.boolean(), artifact: artifactSchema })
  .meta({ id: 'CommitAnswer' })

export const receivedSchema = z
  .object({
    blobs: count,
    newBytes: count.meta({ description: 'Pack bytes that this request added.' }),
  })
  .meta({ id: 'ReceivedBlobs' })

export type UploadCheck = z.input<typeof uploadCheckSchema>
export type Offer = z.input<typeof offerSchema>
export type OfferAnswer = z.infer<typeof offerAnswerSchema>
export type CommitAnswer = z.infer<typeof commitAnswerSchema>
export type ReceivedBlobs = z.infer<typeof receivedSchema>
