/** Whose ID tokens are believed, and for which projects. Everybody can have a token of a public CI system, so an issuer
 *  without projects means nothing. */
import { storeError } from './errors.ts'
import { compilePathGlobs } from './path-glob.ts'

export interface TrustedIssuer {
  /** As the `iss` claim has it: a URL without a trailing slash. */
  issuer: string
  /** Whether the issuer is believed when it speaks for this project. Case is ignored, as with projects. */
  speaksFor(project: string): boolean
}

/** Reads `ISSUER=PROJECTS` with spaces between them, such as `https://gitlab.example.com=octo/*`; PROJECTS is a glob of
 *  core/path-glob.ts, so that `octo/**` are those of subgroups too, and an issuer may stand there several times.
 *  Errors: invalid_request, too_large. */
export function parseTrustedIssuers(text: string): TrustedIssuer[] {
  const globs = new Map<string, string[]>()
  for (const item of text.split(/\s+/).filter((each) => each !== '')) {
    const at = item.lastIndexOf('=')
    const issuer = item.slice(0, Math.max(at, 0)).replace(/\/$/, '')
    const projects = item.slice(at + 1)
    if (!isIssuer(issuer) || !/^[^/~]+(?:\/[^/~]+)+$/.test(projects)) throw refused(item)
    globs.set(issuer, [...(globs.get(issuer) ?? []), projects.toLowerCase()])
  }
  return [...globs].map(([issuer, patterns]) => {
    const matches = compilePathGlobs(patterns)
    return { issuer, speaksFor: (project) => matches(project.toLowerCase()) }
  })
}

function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return isProtected(url) && url.search === '' && url.hash === ''
}

/** Keys that come over a network unprotected could be anybody's. */
export function isProtected({ protocol, hostname }: URL): boolean {
  const isOfThisMachine = hostname === 'localhost' || hostname === '127.0.0.1'
  return protocol === 'https:' || (protocol === 'http:' && isOfThisMachine)
}

function refused(item: string): Error {
  const form =
    'ISSUER=OWNER/REPO, such as https://gitlab.example.com=octo/* (octo/** with its subgroups), with an issuer of https'
  return storeError('invalid_request', `${JSON.stringify(item)} must be ${form}`, {
    field: 'issuers',
  })
}
