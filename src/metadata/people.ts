/** Port: people who signed in through the identity provider, and with what the last time. */

import type { SignIn } from '../core/access/sign-in-rules.ts'

export interface PeopleMetadata {
  /** Replaces what is known of the person. */
  noteSignIn(person: SignIn): Promise<void>
  listPeople(): Promise<SignIn[]>
  /** Deletes at most `limit` people who last signed in before `signedInBy`; returns how many. */
  purgePeople(signedInBy: number, limit: number): Promise<number>
}
