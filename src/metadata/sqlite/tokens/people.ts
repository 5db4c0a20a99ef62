/** People who signed in through the identity provider. */
import { people } from '../../../../schema/tokens.ts'
import type { PeopleMetadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import { createPurge } from './purge.ts'

export function createPeopleMethods(connection: Connection): PeopleMetadata {
  const { orm, write } = connection
  return {
    noteSignIn: async ({ id, ...set }) => {
      write(() =>
        orm
          .insert(people)
          .values({ id, ...set })
          .onConflictDoUpdate({ target: people.id, set })
          .run(),
      )
    },
    listPeople: async () => orm.select().from(people).all(),
    purgePeople: createPurge(connection, { table: 'people', instant: 'signed_in_at' }),
  }
}
