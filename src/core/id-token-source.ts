/** Where a job's ID token comes from, which says for a CI system which job it is. */
import type { HttpProxy } from './http-proxy.ts'

/** `given`: the system has put it into the environment. `asked`: it makes one for the audience that is added to `url`, for
 *  whoever has `token`. */
export type IdTokenSource =
  | { kind: 'given'; idToken: string }
  | { kind: 'asked'; url: URL; token: string; proxy: HttpProxy | null }
