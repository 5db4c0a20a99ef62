/** The wire form of credentials found in artifacts: their place and kind, never their values. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'
import { count, digest, id, instant } from './fields.ts'

export const secretListSchema = z
  .object({
    artifact: id,
    searched: z.boolean().meta({
      description:
        'Whether the artifact was searched. This takes up to a minute, or longer if much is new.',
    }),
    passedOver: count.meta({
      description: 'Files not searched because they are too large, too many or damaged.',
    }),
    secrets: z
      .array(
        z.object({
          path: z.string(),
          line: count.meta({ description: 'Line number, from 1.' }),
          kind: z.string().meta({ description: 'The kind, such as `github-token`.' }),
          title: z.string().meta({ description: 'The kind in words, such as `GitHub token`.' }),
          digest: digest.meta({ description: 'Digest of the file.' }),
          dismissedAt: instant.nullable().meta({
            description: 'When the findings in the file were dismissed.',
          }),
        }),
      )
      .meta({ description: 'Sorted by path and line; at most 20 per file and 1,000 in all.' }),
  })
  .meta({ id: 'SecretList' })

export const secretDismissalSchema = z
  .strictObject({
    digest: digest.meta({ description: 'Digest of a listed file.' }),
    dismissed: z.boolean(),
  })
  .meta({ id: 'SecretDismissal' })

export const dismissedQuestionSchema = z
  .strictObject({
    digests: z
      .array(digest)
      .max(limits.dismissedDigestsMax)
      .meta({ description: 'Digests of files.' }),
  })
  .meta({ id: 'DismissedQuestion' })

export const dismissedAnswerSchema = z
  .object({
    digests: z.array(digest).meta({ description: 'Those whose findings are dismissed.' }),
  })
  .meta({ id: 'DismissedAnswer' })

export type WireDismissedAnswer = z.infer<typeof dismissedAnswerSchema>
export type WireSecretList = z.infer<typeof secretListSchema>
export type WireSecretDismissal = z.infer<typeof secretDismissalSchema>
