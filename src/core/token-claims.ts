/** What a token says of itself, for whoever holds it. Nothing is verified here: only the server can. */

export interface TokenClaims {
  project: string | null
  run: number | null
}

/** Nulls where the token says nothing, and for what is no JWT of ours. */
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
    // Somebody else's token: the server will say what it thinks of it.
    return {}
  }
}
