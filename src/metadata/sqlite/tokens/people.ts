/** People who signed in through the identity provider. */
import { inArray, lt } from 'drizzle-orm'
import { people } from '../../../../schema/tokens.ts'
import type { PeopleMetadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

export function createPeopleMethods({ orm, write }: Connection): PeopleMetadata {
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
    purgePeople: async (signedInBy, limit) =>
      write(() => {
        const gone = orm
          .select({ id: people.id })
          .from(people)
          .where(lt(people.signedInAt, signedInBy))
          .limit(limit)
        return orm.delete(people).where(inArray(people.id, gone)).run().changes
      }),
  }
}
