/** Who takes something away, or changes what others rely on: what the audit log says of them. */

/** `delete`, `restore`, `keep`, `release` (keeps no longer), `expire` (another expiry), `replace` (by an upload): artifacts.
 *  `delete-run`, `delete-job`: what is recorded of them. `settings`: of a project. `token`: one was minted. `revoke`,
 *  `revoke-all`: one token, or all that a project has. `dismiss-secret`: what a file holds is none; `undismiss-secret`: it is one
 *  after all. `gc`, `scrub`, `backup`: begun by hand. */
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
  'dismiss-secret',
  'undismiss-secret',
  'gc',
  'scrub',
  'backup',
] as const
export type ActKind = (typeof actKinds)[number]

/** `job`: by a token of a run. `person`: by one of a project, of scope read or write. */
export type ActorKind = 'job' | 'person' | 'administrator'

/** `api`: the native API. `page`: a form. `github`: what stock clients and `gh` speak. */
export type ActOrigin = 'api' | 'page' | 'github'

export interface Actor {
  kind: ActorKind
  /** Null for whoever is of no run. */
  run: number | null
  job: string | null
  /** Ids of the token and of those that it came of, its own first; a browser's session is the first then. */
  tokenIds: readonly string[]
  origin: ActOrigin
}

/** `job build of run 42`, `a person`. */
export function formatActor({ kind, run, job }: Pick<Actor, 'kind' | 'run' | 'job'>): string {
  if (kind === 'job') return `job ${job} of run ${run}`
  return kind === 'person' ? 'a person' : 'an administrator'
}
