/** Actors and kinds of acts in the audit log, which records every removal and every change that
 *  others depend on. */

/** On artifacts: `delete`, `restore`, `keep`, `release` (ends a keep), `expire` (changes the
 *  expiry), `replace` (by an upload). On run records: `delete-run`, `delete-job`. On a project:
 *  `settings`. On tokens: `token` (minted), `revoke` (one token), `revoke-all` (every token of a
 *  project). Of browsers: `sign-in`, `refused-sign-in`. On findings: `dismiss-secret` (a false
 *  alarm), `undismiss-secret`. Started by hand: `gc`, `scrub`, `backup`,
 *  `snapshot` (of the metadata); `cancel-job` ends such a job, also a scheduled one. */
export const actKinds = [
  'delete',
  'restore',
  'keep',
  'release',
  'expire',
  'replace',
  'delete-run',
  'delete-job',
  'settings',
  'token',
  'revoke',
  'revoke-all',
  'sign-in',
  'refused-sign-in',
  'dismiss-secret',
  'undismiss-secret',
  'gc',
  'scrub',
  'backup',
  'snapshot',
  'cancel-job',
] as const
export type ActKind = (typeof actKinds)[number]

/** `job`: a run's token. `person`: a project token with scope read or write. */
export type ActorKind = 'job' | 'person' | 'administrator'

/** `api`: the native API. `page`: a web form. `github`: the protocol of stock clients and `gh`. */
export type ActOrigin = 'api' | 'page' | 'github'

/** The id of a token, or enough of its beginning to name it; and the same in words. */
export const tokenIdStart = /^[0-9a-f]{8,32}$/
export const tokenIdRule = 'must be the id of a token, or at least its first 8 digits'

export interface Actor {
  kind: ActorKind
  /** Null unless the actor is a job. */
  run: number | null
  job: string | null
  /** Whom the identity provider named, after single sign-on. */
  person: string | null
  /** The token's id, then the ids of the tokens it descends from. For a browser session the first
   *  id is the session's. */
  tokenIds: readonly string[]
  origin: ActOrigin
}

/** `job build of run 42`, `a person`, `jane@example.com`, `jane@example.com (administrator)`. */
export function formatActor({
  kind,
  run,
  job,
  person,
}: Pick<Actor, 'kind' | 'run' | 'job' | 'person'>): string {
  if (kind === 'job') return `job ${job} of run ${run}`
  if (person) return kind === 'administrator' ? `${person} (administrator)` : person
  return kind === 'person' ? 'a person' : 'an administrator'
}
