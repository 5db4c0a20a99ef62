/** Credentials in artifacts, in their wire form: where they stand, never what they are. */
import { z } from 'zod'
import { count, digest, id, instant } from './fields.ts'

export const secretListSchema = z
  .object({
    artifact: id,
    searched: z.boolean().meta({
      description:
        'Whether it was searched yet, which takes up to a minute, or longer where much is new.',
    }),
    passedOver: count.meta({
      description: 'Files that could hold some, but are too large, too many or damaged.',
    }),
    secrets: z
      .array(
        z.object({
          path: z.string(),
          line: count.meta({ description: 'From 1 on.' }),
          kind: z.string().meta({ description: 'Such as `github-token`.' }),
          title: z.string().meta({ description: 'The same in words, such as `GitHub token`.' }),
          digest: digest.meta({ description: 'Of the file.' }),
          dismissedAt: instant.nullable().meta({
            description: 'When somebody said that what the file holds is no secret.',
          }),
        }),
      )
      .meta({ description: 'By path and line, at most 20 of a file and 1,000 in all.' }),
  })
  .meta({ id: 'SecretList' })

export const secretDismissalSchema = z
  .strictObject({
    digest: digest.meta({ description: 'Of a file that the list names.' }),
    dismissed: z.boolean(),
  })
  .meta({ id: 'SecretDismissal' })

export type WireSecretList = z.infer<typeof secretListSchema>
export type WireSecretDismissal = z.infer<typeof secretDismissalSchema>
