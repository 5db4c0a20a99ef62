/** Port: people who signed in through the identity provider, and with what the last time. */

export interface PersonSignIn {
  /** The person's id of `auth/person-grant.ts`. */
  id: string
  name: string
  /** The left-hand sides of the rules that matched (`core/access/sign-in-rules.ts`). */
  rules: string[]
  signedInAt: number
}

export interface PeopleMetadata {
  /** Replaces what is known of the person. */
  noteSignIn(person: PersonSignIn): Promise<void>
  listPeople(): Promise<PersonSignIn[]>
  /** Deletes at most `limit` people who last signed in before `signedInBy`; returns how many. */
  purgePeople(signedInBy: number, limit: number): Promise<number>
}
