/** The claims of a token, read by its holder. Nothing is verified here: only the server can do
 *  that. */

export interface TokenClaims {
  project: string | null
  run: number | null
}

/** Fields are null where the token does not say, and for anything that is not a JWT of ours. */
export function readTokenClaims(token: string | null): TokenClaims {
  const claims = payloadOf(token ?? '')
  const { project, run } = claims
  return {
    project: typeof project === 'string' ? project : null,
    run: typeof run === 'number' && Number.isSafeInteger(run) && run > 0 ? run : null,
  }
}

function payloadOf(token: string): Record<string, unknown> {
  const [, payload = ''] = token.split('.')
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    // Somebody else's token; the server will reject it if it is invalid.
    return {}
  }
}
