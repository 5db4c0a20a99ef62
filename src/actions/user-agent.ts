/** Identifies clients whose abilities affect the response (GITHUB-PROTOCOL §2, §11). */

/** `stock-zip-only`: a stock library that unzips whatever it receives (GITHUB-PROTOCOL §1.15).
 *  `stock`: one that distinguishes files from zips by their type. `rest`: REST API clients
 *  (GitHub's command, and Octokit with what uses it), which request a zip by name and unpack the
 *  response without checking it. `other`: everything else. */
export type ClientKind = 'stock-zip-only' | 'stock' | 'rest' | 'other'

export function clientKindOf(userAgent: string | undefined): ClientKind {
  if (userAgent === undefined) return 'other'
  // GITHUB-PROTOCOL §11.4: raw files are understood from library 6.1 on.
  if (/^@actions\/artifact-(?:[0-5]|6\.0)\./.test(userAgent)) return 'stock-zip-only'
  if (userAgent.startsWith('@actions/artifact-')) return 'stock'
  // dawidd6/action-download-artifact#403, cli/cli#13012: they fail on a raw file.
  return /^GitHub CLI |\boctokit-core\.js\//.test(userAgent) ? 'rest' : 'other'
}

/** Whether the client cannot handle a raw file. */
export function needsZip(client: ClientKind): boolean {
  return client === 'stock-zip-only' || client === 'rest'
}
