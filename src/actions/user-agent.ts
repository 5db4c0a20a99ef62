/** Which client asks, where its abilities decide the answer (GITHUB-PROTOCOL §2, §11). */

/** `stock-zip-only`: a stock library that unzips whatever it gets (GITHUB-PROTOCOL §1.15). `stock`: one that tells files
 *  from zips by their type. `rest`: those of the REST API, which asks for a zip by name, and which take it apart unseen: GitHub's
 *  command and what uses Octokit. `other`: everybody else. */
export type ClientKind = 'stock-zip-only' | 'stock' | 'rest' | 'other'

export function clientKindOf(userAgent: string | undefined): ClientKind {
  if (userAgent === undefined) return 'other'
  // GITHUB-PROTOCOL §11.4: raw files are understood from library 6.1 on.
  if (/^@actions\/artifact-(?:[0-5]|6\.0)\./.test(userAgent)) return 'stock-zip-only'
  if (userAgent.startsWith('@actions/artifact-')) return 'stock'
  // dawidd6/action-download-artifact#403, cli/cli#13012: they fail on a raw file.
  return /^GitHub CLI |\boctokit-core\.js\//.test(userAgent) ? 'rest' : 'other'
}

/** True for clients that can do nothing with a raw file. */
export function needsZip(client: ClientKind): boolean {
  return client === 'stock-zip-only' || client === 'rest'
}
