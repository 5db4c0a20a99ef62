/** Which client asks, where its abilities decide the answer (GITHUB-PROTOCOL §2, §11). */

/** `stock-zip-only`: a stock library that unzips whatever it gets (GITHUB-PROTOCOL §1.15). `stock`: one that tells files
 *  from zips by their type. `gh`: GitHub's command, which needs a zip too. `other`: everybody else. */
export type ClientKind = 'stock-zip-only' | 'stock' | 'gh' | 'other'

export function clientKindOf(userAgent: string | undefined): ClientKind {
  if (userAgent === undefined) return 'other'
  // GITHUB-PROTOCOL §11.4: raw files are understood from library 6.1 on.
  if (/^@actions\/artifact-(?:[0-5]|6\.0)\./.test(userAgent)) return 'stock-zip-only'
  if (userAgent.startsWith('@actions/artifact-')) return 'stock'
  return userAgent.startsWith('GitHub CLI') ? 'gh' : 'other'
}

/** True for clients that can do nothing with a raw file. */
export function needsZip(client: ClientKind): boolean {
  return client === 'stock-zip-only' || client === 'gh'
}
