/** Mints tokens: with the key of a data directory, or through a server. */
import type { WireToken } from '../api/token-messages.ts'
import { apiRoot } from '../api/paths.ts'
import type { Keys } from '../auth/key.ts'
import { grantOf, type TokenRequest } from '../auth/token-request.ts'
import { mintToken } from '../auth/tokens.ts'
import { requestJson, type ServerAccess } from '../client/transport/http.ts'

export type Minted = Pick<WireToken, 'token' | 'expiresAt'>

/** Errors: those of `grantOf`. */
export async function mintWith(keys: Keys, request: TokenRequest): Promise<Minted> {
  const grant = grantOf(request, Date.now())
  return {
    token: await mintToken(keys.tokens, grant),
    expiresAt: new Date(grant.expiresAt).toISOString(),
  }
}

/** Errors: those of `requestJson`. */
export async function mintThrough(
  server: ServerAccess,
  json: TokenRequest,
  signal?: AbortSignal,
): Promise<Minted> {
  const path = `${apiRoot}/tokens`
  // What a lost answer would have brought is a token more, which nobody has.
  const asked = { method: 'POST', path, json, repeatable: true, signal } as const
  return await requestJson<WireToken>(server, asked, ['token', 'expiresAt'])
}
