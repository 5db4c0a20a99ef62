/** The claims of a token, read by its holder. Nothing is verified here: only the server can do
 *  that. */

export interface TokenClaims {
  project: string | null
  run: number | null
}

/** Fields are null where the token does not say, and for anything that is not a JWT of ours. */
export function readTokenClaims(token: string | null): TokenClaims {
  // A token of another system need not be a JWT; whether it is valid is for the server to say.
  const { project, run } = jwtPayload(token ?? '') ?? {}
  return {
    project: typeof project === 'string' ? project : null,
    run: typeof run === 'number' && Number.isSafeInteger(run) && run > 0 ? run : null,
  }
}

/** The payload of a JWT, not verified; undefined when it cannot be decoded. */
export function jwtPayload(token: string): Record<string, unknown> | undefined {
  const [, payload = ''] = token.split('.')
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
  } catch {
    return undefined
  }
}
