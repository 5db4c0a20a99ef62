/** Who may do what after single sign-on: rules over the claims of the identity provider. */
import { invalidRequest } from '../errors.ts'
import type { ProjectAccess } from './project-access.ts'
import { parseProjectGlobs } from './project-globs.ts'

export type SignInAccess = 'admin' | readonly ProjectAccess[]

export interface SignInRule {
  /** The rule's left-hand side, which names it: the access of a rule can change. */
  who: string
  /** The claim that the rule compares; null for a rule that matches everybody. */
  claim: string | null
  /** Whether the claims of a person match. */
  matches(claims: Claims): boolean
  access: SignInAccess
}

/** What a person signed in with last. */
export interface SignIn {
  /** Of `Person` (auth/principal.ts). */
  id: string
  name: string
  /** The left-hand sides of the rules that matched. Not their access: a rule that the operator
   *  changes or removes is then different from the next start on. */
  rules: string[]
  signedInAt: number
}

export type Claims = Readonly<Record<string, unknown>>

/** Parses `WHO=ACCESS` items separated by blanks. WHO is `CLAIM:VALUE`, with `*` for any characters
 *  in VALUE, or `*` for everybody who can sign in. Percent-encoded are blanks, a literal `*`, and a
 *  colon in CLAIM. ACCESS is `admin`, or `read:PROJECTS` or `write:PROJECTS` with globs separated
 *  by commas. Errors: invalid_request, too_large. */
export function parseSignInRules(text: string): SignInRule[] {
  return text
    .split(/\s+/)
    .filter((item) => item !== '')
    .map(parseRule)
}

function parseRule(item: string): SignInRule {
  const [, who, access] = /^(.+)=([^=]+)$/.exec(item) ?? []
  const [, claim, value] = /^([^:]+):(.+)$/.exec(who ?? '') ?? []
  const [, scope, projects = ''] = /^(read|write):(.+)$/.exec(access ?? '') ?? []
  const isWho = who === '*' || claim !== undefined
  if (!isWho || (access !== 'admin' && scope === undefined)) throw refused(item)
  const name = claim === undefined ? null : decoded(claim, item)
  const parts = (value ?? '').split('*').map((part) => decoded(part, item))
  return {
    who: who!,
    claim: name,
    matches: name === null ? () => true : matcherOf(name, parts),
    access:
      access === 'admin'
        ? 'admin'
        : parseProjectGlobs(projects.replaceAll(',', ' ')).map((glob) => ({
            scope: scope as ProjectAccess['scope'],
            projects: glob,
          })),
  }
}

/** A claim is a text, a list such as that of groups, or an object whose members are named like the
 *  groups or roles that they describe (Zitadel, `hGroups` of LemonLDAP::NG). */
function textsOf(claim: unknown): string[] {
  if (typeof claim === 'object' && claim !== null && !Array.isArray(claim))
    return Object.keys(claim)
  const list: unknown[] = Array.isArray(claim) ? claim : [claim]
  return list.filter((each) => typeof each === 'string')
}

/** `parts`: what is between the `*`. */
function matcherOf(claim: string, parts: readonly string[]): SignInRule['matches'] {
  return (claims) => {
    if (claim === 'email' && isUnverified(claims)) return false
    return textsOf(claims[claim]).some((text) => consistsOf(text, parts))
  }
}

/** Whether the text has these parts in this order, the first at its start and the last at its end,
 *  with anything between them. Linear, since the text is somebody else's. */
function consistsOf(text: string, parts: readonly string[]): boolean {
  const [first = '', last] = [parts[0], parts.at(-1)!]
  if (parts.length === 1) return text === first
  const end = text.length - last.length
  if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** OpenID Connect Core 1.0 §5.7: an address that is not verified can be anybody's. Some userinfo
 *  endpoints give truth values as text. */
export function isUnverified({ email_verified: isVerified }: Claims): boolean {
  return isVerified === false || isVerified === 'false'
}

/** Returns the left-hand sides of the rules that match, each once. */
export function matchingRules(claims: Claims, rules: readonly SignInRule[]): string[] {
  return [...new Set(rules.filter(({ matches }) => matches(claims)).map(({ who }) => who))]
}

const textsDescribedMax = 20
const charactersDescribedMax = 200

/** Describes what the claims that rules compare hold, for an operator who wonders why no rule
 *  matched. */
export function describeClaims(claims: Claims, rules: readonly SignInRule[]): string {
  const names = new Set(rules.flatMap(({ claim }) => claim ?? []))
  const described = [...names].map((name) => {
    const texts = textsOf(claims[name])
    const shown = texts
      .slice(0, textsDescribedMax)
      .map((text) => JSON.stringify(text.slice(0, charactersDescribedMax)))
      .join(', ')
    const more =
      texts.length > textsDescribedMax ? ` and ${texts.length - textsDescribedMax} more` : ''
    const note = name === 'email' && isUnverified(claims) ? ' (unverified)' : ''
    return `${name}: ${shown === '' ? 'no text' : shown}${more}${note}`
  })
  return described.join('; ')
}

/** Joins the access of the rules with these left-hand sides, each once; empty if there are none. */
export function accessOf(matched: readonly string[], rules: readonly SignInRule[]): SignInAccess {
  const found = new Map<string, ProjectAccess>()
  for (const { who, access } of rules) {
    if (!matched.includes(who)) continue
    if (access === 'admin') return 'admin'
    for (const each of access as readonly ProjectAccess[])
      found.set(`${each.scope} ${each.projects}`, each)
  }
  return [...found.values()]
}

function decoded(text: string, item: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refused(item)
  }
}

function refused(item: string): Error {
  const form =
    'CLAIM:VALUE=ACCESS, such as groups:dev=write:octo/*,acme/app, email:*@example.com=read:** or groups:ops=admin'
  return invalidRequest('rules', `${JSON.stringify(item)} must be ${form}`)
}
