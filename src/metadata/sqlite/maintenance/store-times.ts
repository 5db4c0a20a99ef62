/** When the database was created, and its last believed time. */
import type { Metadata } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'

export function createStoreTimes({
  prepare,
  stage,
  write,
}: Connection): Pick<Metadata, 'bornAt' | 'setBornAt' | 'believedTime' | 'noteBelievedTime'> {
  const times = prepare<[], { createdAt: number; believedAt: number | null }>(
    'SELECT created_at AS createdAt, believed_at AS believedAt FROM store WHERE id = 1',
  )
  const setBorn = prepare<[number]>('UPDATE store SET created_at = ? WHERE id = 1')
  const noteBelieved = prepare<[number]>('UPDATE store SET believed_at = ? WHERE id = 1')
  return {
    bornAt: async () => times.get()!.createdAt,
    setBornAt: async (at) => {
      write(() => setBorn.run(at))
    },
    believedTime: async () => times.get()!.believedAt,
    noteBelievedTime: async (at) => {
      stage(() => noteBelieved.run(at))
    },
  }
}
