import { test } from 'vitest'
import { checkSurvival, workAndDie } from './crash-survival.ts'
import { temporaryDatabases } from './temporary-database.ts'

const { newDatabase } = temporaryDatabases()

test(
  'a process killed at each of its statements leaves a store that recovers',
  { timeout: 30 * 60_000 },
  async () => {
    const { statements } = workAndDie(await newDatabase(), Infinity)
    for (let killAt = 1; killAt < statements!; killAt++) {
      const path = await newDatabase()
      await checkSurvival(path, workAndDie(path, killAt))
    }
  },
)
