/** The wire form of a signed URL. */
import * as z from 'zod'
import { instant } from './fields.ts'

export const signedUrlSchema = z
  .object({
    url: z.string(),
    expiresAt: instant.meta({ description: 'From then on the URL is refused.' }),
  })
  .meta({ id: 'SignedUrl' })

export type WireSignedUrl = z.infer<typeof signedUrlSchema>
