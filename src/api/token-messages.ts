/** The wire contract of tokens: minting, describing, listing and revoking them. */
import * as z from 'zod'
import { limits } from '../core/limits.ts'
import { actorSchema, cursor, id, instant, toldFacts } from './fields.ts'

const jobName = z
  .string()
  .min(1)
  .refine((text) => text.isWellFormed(), 'must be valid Unicode')

const tokenScope = z.enum(['job', 'run', 'read', 'write', 'admin'])

const projectAccess = z
  .array(z.object({ scope: z.enum(['read', 'write']), projects: z.string() }))
  .meta({
    description:
      'What a token for several projects may do: `scope` in the projects that match the glob `projects`. Empty for other tokens.',
  })

export const tokenRequestSchema = z
  .strictObject({
    project: z.string().optional(),
    projects: z.string().optional().meta({
      description:
        'Globs of projects, separated by blanks, in place of `project`: for tokens of scope read or write, minted by scope admin.',
    }),
    run: id.optional(),
    attempt: id.optional(),
    job: jobName.optional(),
    ...toldFacts,
    scope: tokenScope.optional(),
    expiresInSeconds: z
      .int()
      .min(1)
      .max(limits.tokenLifeMsMax / 1000)
      .optional(),
  })
  .meta({ id: 'TokenRequest' })

export const idTokenRequestSchema = z
  .strictObject({
    idToken: z.string().max(limits.tokenCharactersMax).meta({
      description:
        "A JWT by an issuer that the server trusts, with the server's public URL as its audience.",
    }),
    job: jobName.optional().meta({ description: 'Required if the ID token names no job.' }),
    scope: z.enum(['job', 'run']).optional(),
    ...toldFacts,
  })
  .meta({ id: 'IdTokenRequest' })

export const tokenSchema = z.object({ token: z.string(), expiresAt: instant }).meta({ id: 'Token' })

export const revocationRequestSchema = z
  .strictObject({
    token: z.string().max(limits.tokenCharactersMax).optional(),
    id: z.string().max(64).optional().meta({ description: 'The id of a listed token.' }),
  })
  .refine(({ token, id }) => (token === undefined) !== (id === undefined), {
    message: 'give either a token or the id of a listed token',
    path: ['token'],
  })
  .meta({ id: 'RevocationRequest' })

export const mintedTokenSchema = z
  .object({
    id: z.string().meta({ description: 'A digest of the token; it grants no access.' }),
    project: z.string().nullable().meta({
      description: "Null for an administrator's token, and for one that has `access`.",
    }),
    access: projectAccess,
    scope: tokenScope,
    run: id.nullable(),
    job: z.string().nullable(),
    session: z.boolean().meta({ description: "Whether it is a browser's session." }),
    mintedAt: instant,
    mintedBy: actorSchema,
    expiresAt: instant,
    state: z.enum(['valid', 'asleep', 'revoked', 'expired']).meta({
      description:
        '`asleep`: it belongs to a person who must sign in again to use it, or who lost the access that it needs.',
    }),
  })
  .meta({ id: 'MintedToken' })

export const currentTokenSchema = z
  .object({
    id: z.string().meta({ description: 'As `GET /tokens` lists it: a digest of the token.' }),
    scope: tokenScope,
    project: z.string().nullable().meta({
      description: 'Null for scope admin, and for a token that has `access`.',
    }),
    access: projectAccess,
    run: id.nullable(),
    attempt: id.nullable(),
    job: z.string().nullable(),
    person: z.string().nullable().meta({
      description: 'Whose token it is, as the identity provider names them.',
    }),
    session: z.boolean().meta({ description: "Whether it is a browser's session." }),
    expiresAt: instant,
    serverVersion: z.string(),
  })
  .meta({ id: 'CurrentToken' })

export const mintedTokenListSchema = z
  .object({ items: z.array(mintedTokenSchema), nextCursor: cursor })
  .meta({ id: 'MintedTokenList' })

export const revokedTokenSchema = z
  .object({
    scope: tokenScope,
    project: z.string().nullable().meta({
      description: "Null for an administrator's token, and for one that has `access`.",
    }),
    access: projectAccess,
    run: id.nullable(),
    job: z.string().nullable(),
    expiresAt: instant.meta({ description: 'When it would have expired.' }),
  })
  .meta({ id: 'RevokedToken' })

export const revokedTokensSchema = z
  .object({
    project: z.string(),
    issuedUntil: instant.meta({
      description: 'Tokens issued up to this instant are revoked; later ones are not.',
    }),
  })
  .meta({ id: 'RevokedTokens' })

export type WireMintedToken = z.infer<typeof mintedTokenSchema>
export type WireCurrentToken = z.infer<typeof currentTokenSchema>
export type WireRevokedToken = z.infer<typeof revokedTokenSchema>
export type WireRevokedTokens = z.infer<typeof revokedTokensSchema>
export type WireToken = z.infer<typeof tokenSchema>
