/** Where a job gets its ID token, with which a CI system vouches for the job's identity. */
import type { HttpProxy } from '../http-proxy.ts'

/** `given`: the system put the token into the environment. `asked`: `url`, with the audience added
 *  to it, issues one to holders of `token`. */
export type IdTokenSource =
  | { kind: 'given'; idToken: string }
  | { kind: 'asked'; url: URL; token: string; proxy: HttpProxy | null }
