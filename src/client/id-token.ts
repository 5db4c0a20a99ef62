/** Exchanges an ID token for a token of the server. This is how a CI job proves which job it is
 *  without a secret. */
import type { WireToken } from '../api/token-messages.ts'
import { apiRoot } from '../api/paths.ts'
import type { IdTokenSource } from '../core/access/id-token-source.ts'
import { knownFacts, type RunFacts } from '../core/run/run.ts'
import { requestJson, type ServerAccess } from './transport/http.ts'

/** `job` and `facts` count where the ID token does not name them.
 *  Errors: unauthenticated, forbidden, and those of `requestJson`, also for the request to the
 *  CI system. */
export async function exchangeIdToken(
  server: ServerAccess,
  source: IdTokenSource,
  {
    job,
    facts,
    scope,
    signal,
  }: {
    job: string | null
    facts: RunFacts
    scope?: 'job' | 'run' | undefined
    signal: AbortSignal
  },
): Promise<WireToken> {
  const idToken =
    source.kind === 'given' ? source.idToken : await requestIdToken(source, server.url, signal)
  return await requestJson<WireToken>(
    { ...server, token: null },
    {
      method: 'POST',
      path: `${apiRoot}/tokens/exchange`,
      json: {
        idToken,
        ...(job !== null && { job }),
        ...(scope !== undefined && { scope }),
        ...knownFacts(facts),
      },
      repeatable: true,
      signal,
    },
    ['token', 'expiresAt'],
  )
}

/** Works like `getIDToken` of GitHub's toolkit (`@actions/core`, oidc-utils). */
async function requestIdToken(
  { url, token, proxy }: IdTokenSource & { kind: 'asked' },
  audience: string,
  signal: AbortSignal,
): Promise<string> {
  const { value } = await requestJson<{ value: string }>(
    { url: url.origin, token, proxy },
    { path: url.pathname + url.search, query: { audience }, signal },
    ['value'],
  )
  return value
}
