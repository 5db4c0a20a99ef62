/** Trusted issuers of ID tokens, each for certain projects. Anybody can obtain a token from a
 *  public CI system, so an issuer is never trusted without a list of projects. */
import { invalidRequest } from '../errors.ts'
import { addTo } from '../groups.ts'
import { compileProjectGlobs, isProjectGlob } from './project-globs.ts'

export interface TrustedIssuer {
  /** The value of the `iss` claim: a URL without a trailing slash. */
  issuer: string
  /** Whether the issuer is trusted for this project. Ignores case, as project names do. */
  speaksFor(project: string): boolean
}

/** Parses `ISSUER=PROJECTS` items separated by spaces, such as `https://gitlab.example.com=octo/*`.
 *  PROJECTS is a glob of project-globs.ts, so `octo/**` includes subgroups. An issuer may occur
 *  several times.
 *  Errors: invalid_request, too_large. */
export function parseTrustedIssuers(text: string): TrustedIssuer[] {
  const globs = new Map<string, string[]>()
  for (const item of text.split(/\s+/).filter((each) => each !== '')) {
    const at = item.lastIndexOf('=')
    const issuer = item.slice(0, Math.max(at, 0)).replace(/\/$/, '')
    const projects = item.slice(at + 1)
    if (!isIssuer(issuer) || !isProjectGlob(projects)) throw refused(item)
    addTo(globs, issuer, projects)
  }
  return [...globs].map(([issuer, patterns]) => ({
    issuer,
    speaksFor: compileProjectGlobs(patterns),
  }))
}

/** Whether the text is the URL of an issuer whose keys can be fetched safely. */
export function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return isProtected(url) && url.search === '' && url.hash === ''
}

/** Whether the connection is protected. Signing keys fetched over an unprotected network could be
 *  anybody's. */
export function isProtected({ protocol, hostname }: URL): boolean {
  const isOfThisMachine = hostname === 'localhost' || hostname === '127.0.0.1'
  return protocol === 'https:' || (protocol === 'http:' && isOfThisMachine)
}

function refused(item: string): Error {
  const form =
    'ISSUER=OWNER/REPO with an https issuer, such as https://gitlab.example.com=octo/* (octo/** includes subgroups)'
  return invalidRequest('issuers', `${JSON.stringify(item)} must be ${form}`)
}
