/** The audit log in words, for pages and commands. Loads no schemas. */
import { formatActor } from '../core/audit.ts'
import { counted, formatCount } from '../core/units.ts'
import type { WireAct } from './audit.ts'

/** Returns the parts of a sentence about the actor: `changed the expiry of`, then what: `build
 *  of run 42`, and how: ` to 2026-11-29 19:28 UTC`. */
export function wordsOf(act: WireAct): { did: string; what: string; how?: string } {
  const { details } = act
  const artifacts = namesOf(act)
  switch (act.kind) {
    case 'delete':
      return { did: 'deleted', what: artifacts }
    case 'restore':
      return { did: 'restored', what: artifacts }
    case 'keep':
      return { did: 'kept', what: artifacts }
    case 'release':
      return { did: 'stopped keeping', what: artifacts }
    case 'expire':
      return {
        did: 'changed the expiry of',
        what: artifacts,
        how: ` to ${minuteOf(details.expiresAt)}`,
      }
    case 'replace':
      return { did: 'replaced', what: artifacts, how: ` by artifact ${details.replacedBy}` }
    case 'delete-run':
      return { did: 'deleted', what: `the record of run ${details.run}` }
    case 'delete-job':
      return { did: 'deleted', what: `the record of job ${details.job}, run ${details.run}` }
    case 'settings':
      return { did: 'changed', what: settingsOf(act) }
    case 'token':
      return { did: 'minted', what: tokenOf(act) }
    case 'revoke':
      return { did: 'revoked', what: tokenOf(act) }
    case 'revoke-all':
      return { did: 'revoked', what: `all tokens minted until ${minuteOf(details.issuedUntil)}` }
    case 'sign-in':
      return { did: 'signed in', what: methodOf(act), how: unrecordedOf(act) }
    case 'refused-sign-in':
      return {
        did: 'was refused at sign-in',
        what: methodOf(act),
        how: `: ${details.reason}${unrecordedOf(act)}`,
      }
    case 'dismiss-secret':
      return { did: 'dismissed', what: `the secrets in ${details.path} of ${artifacts}` }
    case 'undismiss-secret':
      return {
        did: 'restored warnings about',
        what: `the secrets in ${details.path} of ${artifacts}`,
      }
    case 'gc':
      return {
        did: 'started',
        what: `garbage collection${details.now === true ? ' without grace periods' : ''}`,
      }
    case 'scrub':
      return { did: 'started', what: 'a scrub' }
    case 'backup':
      return { did: 'started', what: `a backup to ${details.destination}` }
    case 'snapshot':
      return { did: 'started', what: 'a metadata snapshot' }
    case 'cancel-job':
      return { did: 'cancelled', what: `job ${details.job} (${details.jobKind})` }
  }
}

/** Who did it: `jane@example.com`. */
export function actorWords({ kind, by }: WireAct): string {
  if (by !== null) return formatActor(by)
  return kind === 'refused-sign-in' ? 'somebody' : 'the holder of the token'
}

/** Through what: `page`. */
export function originOf({ kind, by }: WireAct): string {
  return originWords[by?.origin ?? (kind === 'refused-sign-in' ? 'page' : 'api')]
}

function methodOf({ details }: WireAct): string {
  if (details.provider !== undefined) return `through ${details.provider}`
  return details.with === 'link' ? 'with a sign-in link' : 'with a token'
}

function unrecordedOf({ details: { unrecorded } }: WireAct): string {
  return unrecorded === undefined
    ? ''
    : `, after ${formatCount(unrecorded)} more that are not listed`
}

function namesOf({ artifactIds, artifacts }: WireAct): string {
  const [first] = artifacts
  if (first === undefined) return counted(artifactIds.length, 'artifact')
  if (artifactIds.length === 1) return `${first.name} of run ${first.run}`
  const more = artifactIds.length - artifacts.length
  const names = artifacts.map(({ name, run }) => `${name} of run ${run}`).join(', ')
  return more === 0 ? names : `${names} and ${more} more`
}

function settingsOf({ details: { before = {}, after = {} } }: WireAct): string {
  const names = Object.keys(after) as (keyof typeof after)[]
  return names
    .map((name) => `${name} from ${settingText(before[name])} to ${settingText(after[name])}`)
    .join(', ')
}

/** Null means the server's setting. */
function settingText(value: string | number | boolean | string[] | null | undefined): string {
  if (value === null || value === undefined) return "the server's"
  return Array.isArray(value) ? value.join(' ') || 'none' : String(value)
}

function tokenOf({ details: { token } }: WireAct): string {
  if (token === undefined) return 'a token'
  const { id, scope, run, job, expiresAt } = token
  const ofJob = job === null ? '' : `, job ${job}`
  const ofRun = run === null ? '' : `, run ${run}`
  return `token ${shortTokenId(id)} of scope ${scope}${ofRun}${ofJob}, until ${minuteOf(expiresAt)}`
}

/** Long enough to distinguish the tokens of a project. */
export function shortTokenId(id: string): string {
  return id.slice(0, 12)
}

/** `2026-11-29 19:28 UTC`. */
export function minuteOf(instantText: string | undefined): string {
  return instantText === undefined ? '' : `${instantText.slice(0, 16).replace('T', ' ')} UTC`
}

const originWords: Record<NonNullable<WireAct['by']>['origin'], string> = {
  api: 'API',
  page: 'page',
  github: "GitHub's API",
}
